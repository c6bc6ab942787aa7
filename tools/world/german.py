"""German: common words and simple sentences, with and without umlauts, in whatever case comes out."""

from tools.world.lexicon import Chooser, Lexicon, Noun, nouns, table, words
from tools.world.scene import SINGLE, UNCOUNTED, Thing

# Endings after "ein" and "eine" in nominative, accusative and dative; people mix them up, and so do we.
ENDINGS = {
    "m": (("ein", "er"), ("einen", "en"), ("einem", "en")),
    "f": (("eine", "e"), ("eine", "e"), ("einer", "en")),
    "n": (("ein", "es"), ("ein", "es"), ("einem", "en")),
}
COLOURS = table(
    red="rot, rot, hellrot, dunkelrot, knallrot, ~tiefrot",
    orange="orange, orange, orangefarben",
    yellow="gelb, gelb, golden, hellgelb",
    green="grün, grün, grün, hellgrün, dunkelgrün",
    blue="blau, blau, hellblau, dunkelblau",
    purple="lila, violett, lila",
    white="weiß, weiß, weiss, schneeweiß",
    black="schwarz, schwarz, pechschwarz",
)
COUNTS = {2: words("zwei, zwei, 2, ein paar"), 3: words("drei, drei, 3"), 4: words("vier, vier, 4")}
SOME = words("einige, mehrere, viele, ein paar, ~ganz viele")
SIZES = words("klein, groß, alt, schön")


def noun_phrase(noun: Noun, thing: Thing, counted: bool, colour: str | None, choose: Chooser) -> str:
    """ "zwei rote Boote", with a random case."""
    several = thing.count > 1 or (thing.kind in UNCOUNTED and choose.chance(0.85))
    article, ending = ("", choose.among(("e", "en"))) if several else choose.among(ENDINGS[noun.gender])
    adjectives = [choose.one(SIZES)] if choose.chance(0.08) else []
    adjectives += [choose.one(COLOURS[colour])] if colour else []
    inflected = [word if word in ("lila", "orange") else word + ending for word in adjectives]
    if several and thing.kind not in SINGLE | UNCOUNTED:
        article = choose.one(COUNTS[thing.count]) if counted else choose.among(("", choose.one(SOME)))
        article = "zwei" if counted and article == "ein paar" and choose.chance(0.5) else article
    elif not several and not counted and choose.chance(0.8):
        article = ""
    return " ".join(filter(None, (article, *inflected, noun.plural if several else noun.singular)))


GERMAN = Lexicon(
    subjects=table(
        mountains="berge, die berge, gebirge, alpen, die alpen, ein berg, gipfel, berglandschaft, bergkette, "
        "ein gebirge, hochgebirge, "
        "bergpanorama, ~eine bergkette, ~bergwelt der alpen",
        hills="hügel, hügellandschaft, wiesen, eine wiese, felder, ein tal, sanfte hügel, grüne hügel, ein hügel, "
        "ländliche landschaft, "
        "ein feld, weinberge, huegel, ~grüne wiesen",
        dunes="dünen, wüste, die wüste, eine wüste, sanddünen, sand, sahara, wüstenlandschaft, duenen, wueste, "
        "~dünen der wüste",
        canyon="schlucht, eine schlucht, canyon, ein canyon, felsschlucht, der grand canyon, klamm, "
        "~eine tiefe schlucht",
        islands="inseln, eine insel, insel, inselgruppe, tropische insel, kleine inseln, die insel, "
        "~eine tropische inselgruppe",
        lake="ein see, see, der see, bergsee, ein bergsee, am see, seeufer, teich, ein teich, weiher, "
        "ein stiller see, ~ein kleiner teich",
        sea="das meer, meer, ozean, wellen, die see, der ozean, küste, die küste, nordsee, meereswellen, ostsee, "
        "die nordsee, ~wellen im meer",
        beach="strand, ein strand, der strand, sandstrand, am strand, ufer, meeresstrand, ein sandstrand, "
        "tropischer strand, "
        "~ein tropischer sandstrand",
        forest="wald, ein wald, der wald, wälder, im wald, nadelwald, kiefernwald, dschungel, waldlandschaft, "
        "ein dunkler wald, waelder, "
        "regenwald, tannenwald, ~ein tiefer nadelwald",
        city="stadt, eine stadt, die stadt, großstadt, skyline, hochhäuser, wolkenkratzer, eine großstadt, "
        "stadtlandschaft, innenstadt, "
        "~skyline der großstadt",
        castle="burg, eine burg, schloss, ein schloss, festung, das schloss, märchenschloss, ritterburg, die burg, "
        "burgruine, schloß, "
        "~eine alte ritterburg",
        lighthouse="leuchtturm, ein leuchtturm, der leuchtturm, leuchttürme, alter leuchtturm, ~ein hoher leuchtturm",
        waterfall="wasserfall, ein wasserfall, wasserfälle, der wasserfall, ein großer wasserfall, ~hohe wasserfälle",
        volcano="vulkan, ein vulkan, vulkanausbruch, lava, der vulkan, vulkane, ausbrechender vulkan, "
        "~ein vulkan mit lava",
        aurora="nordlichter, polarlichter, polarlicht, nordlicht, aurora, die nordlichter, ~grüne polarlichter",
    ),
    adjectives={},
    clauses={
        "time": table(
            dawn="im morgengrauen, bei sonnenaufgang, am morgen, am frühen morgen, in der morgendämmerung, morgens, "
            "frühmorgens, "
            "~im frühen morgenlicht",
            noon="am mittag, mittags, am tag, bei tageslicht, um die mittagszeit, tagsüber, am nachmittag, "
            "~zur mittagszeit",
            sunset="bei sonnenuntergang, am abend, im abendlicht, zum sonnenuntergang, in der abendsonne, abends, "
            "beim sonnenuntergang, "
            "~im licht der abendsonne",
            dusk="in der dämmerung, in der abenddämmerung, zur blauen stunde, nach sonnenuntergang, bei dämmerung, "
            "~im dämmerlicht",
            night="bei nacht, in der nacht, nachts, im mondlicht, um mitternacht, im dunkeln, im mondschein, "
            "bei vollmond, ~in dunkler nacht",
        ),
        "weather": table(
            clear="bei klarem himmel, bei schönem wetter, unter klarem himmel, bei gutem wetter, ohne wolken, "
            "~unter wolkenlosem himmel",
            rain="im regen, bei regen, im strömenden regen, bei regenwetter, wenn es regnet, mit regen, "
            "~bei strömendem regen",
            snow="im schnee, bei schneefall, mit schnee, im schneesturm, wenn es schneit, bei schnee, "
            "schneebedeckt, ~bei starkem schneefall",
            fog="im nebel, bei nebel, im dichten nebel, mit nebel, im dunst, im morgennebel, ~bei dichtem nebel",
            storm="im sturm, bei gewitter, im gewitter, mit blitzen, bei sturm, mit blitz und donner, im unwetter, "
            "~bei blitz und donner",
        ),
        "season": table(
            spring="im frühling, im april, im frühjahr, im mai, im märz, ~im späten frühling",
            summer="im sommer, im juli, im august, im hochsommer, ~im heißen sommer",
            autumn="im herbst, im oktober, im november, mit herbstlaub, im goldenen herbst, ~im späten herbst",
            winter="im winter, im januar, im dezember, zu weihnachten, im tiefen winter, ~im kalten winter",
        ),
        "style": table(
            photo="als foto, als fotografie, fotografiert, ~als echtes foto",
            watercolour="als aquarell, in aquarell, in wasserfarben, mit wasserfarben, ~als aquarellbild",
            oil="in öl, als ölgemälde, als ölbild, ölfarben, ~als gemälde in öl",
            pastel="in pastell, als pastell, mit kreide, pastellkreide, ~mit pastellkreide",
        ),
    },
    items={
        "time": table(
            dawn="morgengrauen, sonnenaufgang, morgen, morgens, morgenlicht, morgendämmerung, früher morgen, "
            "~frühes morgenlicht",
            noon="mittag, mittags, tag, tageslicht, nachmittag, mittagssonne, ~mittagslicht",
            sunset="sonnenuntergang, abend, abendsonne, abendlicht, abends, goldene stunde, abendrot, "
            "~licht der abendsonne",
            dusk="dämmerung, abenddämmerung, blaue stunde, dämmerlicht, zwielicht, daemmerung, ~späte dämmerung",
            night="nacht, nachts, mondlicht, mitternacht, vollmond, mond, mondschein, dunkle nacht, nachthimmel, "
            "~mond und nacht",
        ),
        "weather": table(
            clear="klarer himmel, klar, wolkenlos, schönes wetter, gutes wetter, keine wolken, "
            "~klarer wolkenloser himmel",
            rain="regen, regnerisch, regenwetter, starkregen, es regnet, nieselregen, regenschauer, verregnet, "
            "~starker regen",
            snow="schnee, schneefall, verschneit, verschneite, schneesturm, es schneit, schneeflocken, neuschnee, "
            "~starker schneefall",
            fog="nebel, neblig, dunst, nebelig, dichter nebel, diesig, ~starker nebel",
            storm="sturm, gewitter, blitze, blitz und donner, stürmisch, unwetter, donner, ~starkes gewitter",
        ),
        "season": table(
            spring="frühling, april, frühjahr, frühlingstag, mai, fruehling, ~schöner frühlingstag",
            summer="sommer, juli, sommertag, august, hochsommer, juni, ~heißer sommertag",
            autumn="herbst, oktober, herbstlaub, goldener herbst, november, herbstlich, herbsttag, ~schöner herbsttag",
            winter="winter, januar, weihnachten, winterlich, dezember, wintertag, winterlandschaft, ~kalter wintertag",
        ),
        "style": table(
            photo="foto, fotografie, fotorealistisch, realistisch, echtes foto, ~realistisches foto",
            watercolour="aquarell, wasserfarben, aquarellmalerei, wasserfarbe, ~lockeres aquarell",
            oil="ölgemälde, öl, öl auf leinwand, ölbild, ölmalerei, gemälde, ~dickes öl auf leinwand",
            pastel="pastell, pastellkreide, kreide, kreidezeichnung, zeichnung, pastellfarben, ~weiche kreidezeichnung",
        ),
    },
    style_openings=table(
        photo="ein foto von, foto von, eine fotografie von, ein realistisches foto von",
        watercolour="ein aquarell von, aquarell von, aquarellbild von",
        oil="ein ölgemälde von, ölgemälde von, ein gemälde von, ein ölbild von",
        pastel="eine kreidezeichnung von, pastell von, eine zeichnung von",
    ),
    kinds={
        "cabin": nouns(
            "f:hütte/hütten, n:haus/häuser, f:hütte/hütten, n:häuschen/häuschen, f:berghütte/berghütten, "
            "n:holzhaus/holzhäuser, f:blockhütte/blockhütten, f:huette/huetten, n:bauernhaus/bauernhäuser"
        ),
        "boat": nouns(
            "n:boot/boote, n:boot/boote, n:schiff/schiffe, n:segelboot/segelboote, n:segelschiff/segelschiffe, "
            "n:ruderboot/ruderboote, f:yacht/yachten, n:fischerboot/fischerboote, m:kahn/kähne"
        ),
        "bridge": nouns(
            "f:brücke/brücken, f:brücke/brücken, f:steinbrücke/steinbrücken, f:holzbrücke/holzbrücken, "
            "f:bruecke/bruecken"
        ),
        "windmill": nouns("f:windmühle/windmühlen, f:mühle/mühlen, n:windrad/windräder, f:windmuehle/windmuehlen"),
        "tent": nouns(
            "n:zelt/zelte, n:zelt/zelte, n:lagerfeuer/lagerfeuer, n:zelt mit lagerfeuer/zelte mit lagerfeuer"
        ),
        "bird": nouns(
            "m:vogel/vögel, m:vogel/vögel, f:möwe/möwen, m:adler/adler, m:schwan/schwäne, f:ente/enten, m:vogel/voegel"
        ),
        "balloon": nouns(
            "m:ballon/ballons, m:heißluftballon/heißluftballons, m:ballon/ballone, m:heissluftballon/heissluftballons"
        ),
        "flower": nouns(
            "f:blume/blumen, f:blume/blumen, f:wildblume/wildblumen, f:blüte/blüten, f:tulpe/tulpen, f:rose/rosen"
        ),
        "road": nouns(
            "f:straße/straßen, m:weg/wege, m:pfad/pfade, f:strasse/strassen, f:landstraße/landstraßen, "
            "m:wanderweg/wanderwege, "
            "m:feldweg/feldwege"
        ),
        "deer": nouns("m:hirsch/hirsche, n:reh/rehe, m:hirsch/hirsche, n:rentier/rentiere, n:reh/rehe, m:elch/elche"),
        "rock": nouns("m:felsen/felsen, m:stein/steine, m:fels/felsen, m:felsbrocken/felsbrocken"),
        "tree": nouns(
            "m:baum/bäume, m:baum/bäume, f:tanne/tannen, f:eiche/eichen, f:palme/palmen, f:birke/birken, "
            "m:apfelbaum/apfelbäume"
        ),
    },
    sides=table(
        left="links, links, auf der linken seite, auf der linken, links im bild, am linken rand",
        middle="in der mitte, in der mitte, mittig, mitten im bild, im zentrum, in der bildmitte",
        right="rechts, rechts, auf der rechten seite, auf der rechten, rechts im bild, am rechten rand",
    ),
    noun_phrase=noun_phrase,
    denials=words(
        "ohne {many}, ohne {name}, keine {many}, kein {name}, ohne {many} bitte, aber ohne {many}, bitte keine {many}, "
        "keinen {name}, nicht mit {many}, ~und bitte ohne {many}"
    ),
    articles=("ein", "eine", "der", "die", "das"),
    joining=words("mit, mit, und, mit, davor, dazu"),
    conjunctions=words("und, und, sowie"),
    prepositions=words("am, vor, bei, an, auf, auf dem, auf der, über, über der, über dem, neben, im, in der, vor dem"),
    nowhere=words("eine landschaft, landschaft, natur, eine szene, ein bild, ein ort"),
    openings=words(
        "ein bild von, bild von, blick auf, zeige mir, bitte male, male mir, ansicht von, ich möchte, mach mir, zeichne"
    ),
    praise=words("schöne, wunderschöne, ruhige, einsame, traumhafte, schöner, schönes, stille, malerische"),
    fillers=words(
        "sehr schön, wunderschön, bitte, danke, hohe qualität, romantisch, ruhig, stimmungsvoll, ohne menschen, "
        "natur, landschaft, 4k"
    ),
    presence=words("es gibt {thing}, man sieht {thing}, da ist {thing}, dazu {thing}, {thing}"),
    inflections=(("ein", "einem"), ("eine", "einer"), ("der", "dem"), ("die", "den"), ("das", "dem")),
    strays=(
        "sehr",
        "auch",
        "vielleicht",
        "mein",
        "mal",
        "so",
        "ganz",
        "alte",
        "kleine",
        "große",
        "noch",
        "dort",
        "hier",
        "heute",
    ),
    introductions=words("{core}, das ist {core}, hier ist {core}, ich sehe {core}"),
    asides=words("es ist sehr still, es ist wunderschön, niemand ist da, danke, die luft ist ruhig"),
    sentences={
        "time": table(
            dawn="die sonne geht auf, es ist früh am morgen",
            noon="es ist mittag, die sonne steht hoch",
            sunset="die sonne geht unter, es ist abend",
            dusk="es dämmert, es wird dunkel",
            night="es ist nacht, der mond scheint, es ist dunkel",
        ),
        "weather": table(
            clear="der himmel ist klar, das wetter ist schön",
            rain="es regnet, es regnet stark",
            snow="es schneit, alles ist verschneit",
            fog="es ist neblig, nebel liegt über allem",
            storm="es stürmt, es gewittert, es blitzt",
        ),
        "season": table(
            spring="es ist frühling", summer="es ist sommer", autumn="es ist herbst", winter="es ist winter"
        ),
    },
    pairs={
        ("noon", "clear"): (
            words("sonnige"),
            words("bei sonnenschein, unter blauem himmel, an einem sonnigen tag, im sonnenschein"),
            words("sonnig, sonnenschein, blauer himmel, sonniger tag"),
        ),
        ("night", "clear"): (
            words("sternklare"),
            words("unter dem sternenhimmel, unter sternen, in sternklarer nacht"),
            words("sternenhimmel, sterne, sternklare nacht"),
        ),
    },
)
