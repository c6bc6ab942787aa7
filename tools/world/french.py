"""French: common words and simple sentences, with and without accents."""

from tools.world.lexicon import Lexicon, nouns, table, words
from tools.world.romance import noun_phrases

COLOURS = table(
    red="rouge/rouge/rouges/rouges",
    orange="orange/orange/orange/orange",
    yellow="jaune/jaune/jaunes/jaunes, doré/dorée/dorés/dorées",
    green="vert/verte/verts/vertes",
    blue="bleu/bleue/bleus/bleues, bleu marine/bleu marine/bleu marine/bleu marine",
    purple="violet/violette/violets/violettes, mauve/mauve/mauves/mauves",
    white="blanc/blanche/blancs/blanches",
    black="noir/noire/noirs/noires",
)
NUMBERS = {2: words("deux, deux, 2"), 3: words("trois, trois, 3"), 4: words("quatre, quatre, 4")}

FRENCH = Lexicon(
    subjects=table(
        mountains="montagnes, les montagnes, des montagnes, la montagne, une montagne, les alpes, montagne, "
        "sommets, chaîne de montagnes, "
        "~sommets des alpes",
        hills="collines, des collines, une colline, prairies, une prairie, campagne, la campagne, champs, vallée, "
        "une vallée, les collines, "
        "~collines de campagne",
        dunes="dunes, désert, le désert, un désert, dunes de sable, sable, des dunes, desert, le sahara, "
        "~dunes du désert",
        canyon="canyon, un canyon, gorge, gorges, ravin, le canyon, les gorges, ~un ravin profond",
        islands="îles, une île, île, iles, une ile, île tropicale, archipel, des îles, ~archipel tropical",
        lake="lac, un lac, le lac, étang, un étang, lac de montagne, bord du lac, etang, ~bord de l'étang",
        sea="mer, la mer, océan, l'océan, vagues, ocean, la côte, des vagues, ~vagues de la mer",
        beach="plage, une plage, la plage, plage de sable, bord de mer, rivage, plage tropicale, ~rivage de sable",
        forest="forêt, une forêt, la forêt, bois, foret, les bois, jungle, une foret, forêt de pins, sous-bois, "
        "~forêt profonde",
        city="ville, une ville, la ville, gratte-ciel, métropole, paysage urbain, une grande ville, "
        "~gratte-ciel de la ville",
        castle="château, un château, le château, chateau, un chateau, forteresse, palais, château fort, "
        "château médiéval, ~vieux château fort",
        lighthouse="phare, un phare, le phare, phares, phare breton, ~un vieux phare",
        waterfall="cascade, une cascade, chute d'eau, chutes d'eau, la cascade, cascades, ~une grande chute d'eau",
        volcano="volcan, un volcan, le volcan, éruption volcanique, lave, volcan en éruption, ~volcan avec lave",
        aurora="aurore boréale, aurores boréales, aurore boreale, une aurore boréale, aurores boreales, "
        "~aurores boréales vertes",
    ),
    adjectives={},
    clauses={
        "time": table(
            dawn="à l'aube, au lever du soleil, le matin, au petit matin, au lever du jour, a l'aube",
            noon="à midi, en plein jour, de jour, en journée, l'après-midi, a midi",
            sunset="au coucher du soleil, le soir, au soleil couchant, au coucher de soleil, dans la lumière du soir",
            dusk="au crépuscule, à l'heure bleue, à la tombée de la nuit, au crepuscule, entre chien et loup",
            night="la nuit, de nuit, au clair de lune, à minuit, dans la nuit, sous la lune, pendant la nuit",
        ),
        "weather": table(
            clear="par temps clair, sous un ciel clair, par beau temps, avec un ciel dégagé, sans nuages",
            rain="sous la pluie, avec de la pluie, par temps de pluie, quand il pleut, sous l'averse",
            snow="sous la neige, dans la neige, avec de la neige, enneigé, enneigée, quand il neige, couvert de neige",
            fog="dans le brouillard, dans la brume, avec du brouillard, sous la brume, avec de la brume",
            storm="sous l'orage, dans la tempête, avec des éclairs, pendant un orage, en pleine tempête, "
            "avec de l'orage",
        ),
        "season": table(
            spring="au printemps, en avril, en mai, en mars",
            summer="en été, l'été, en juillet, en août, en ete",
            autumn="en automne, à l'automne, en octobre, en novembre, aux couleurs d'automne",
            winter="en hiver, l'hiver, en janvier, à noël, en décembre",
        ),
        "style": table(
            photo="en photo, photographié, en photographie",
            watercolour="à l'aquarelle, en aquarelle, peint à l'aquarelle",
            oil="à l'huile, peint à l'huile, en peinture à l'huile, sur toile",
            pastel="au pastel, en pastel, à la craie, dessiné au pastel",
        ),
    },
    items={
        "time": table(
            dawn="aube, lever du soleil, matin, lever de soleil, petit matin, lumière du matin",
            noon="midi, jour, plein jour, après-midi, journée",
            sunset="coucher de soleil, coucher du soleil, soir, soleil couchant, lumière du soir, soirée",
            dusk="crépuscule, heure bleue, crepuscule, tombée de la nuit, nuit tombante",
            night="nuit, clair de lune, minuit, lune, pleine lune, nocturne, ciel nocturne",
        ),
        "weather": table(
            clear="ciel clair, ciel dégagé, beau temps, temps clair, sans nuages",
            rain="pluie, pluvieux, il pleut, averse, temps pluvieux, pluvieuse",
            snow="neige, enneigé, il neige, flocons, chute de neige, neigeux, enneigée",
            fog="brouillard, brume, brumeux, brouillard épais, brumeuse",
            storm="orage, tempête, éclairs, tonnerre, orageux, foudre, tempete",
        ),
        "season": table(
            spring="printemps, avril, printanier, mai",
            summer="été, juillet, estival, août, saison d'été",
            autumn="automne, octobre, automnal, feuilles d'automne, novembre",
            winter="hiver, janvier, hivernal, noël, décembre",
        ),
        "style": table(
            photo="photo, photographie, photoréaliste, réaliste, photo réaliste",
            watercolour="aquarelle, peinture à l'aquarelle, style aquarelle",
            oil="peinture à l'huile, huile sur toile, huile, tableau, peinture",
            pastel="pastel, craie, dessin au pastel, pastels, dessin",
        ),
    },
    style_openings=table(
        photo="une photo de, photo de, une photographie de, photo d'",
        watercolour="une aquarelle de, aquarelle de, une aquarelle d'",
        oil="une peinture à l'huile de, une peinture de, un tableau de, huile sur toile de",
        pastel="un pastel de, un dessin au pastel de, un dessin de",
    ),
    kinds={
        "cabin": nouns(
            "f:cabane/cabanes, f:maison/maisons, m:chalet/chalets, f:cabane/cabanes, f:hutte/huttes, "
            "f:chaumière/chaumières, "
            "f:maisonnette/maisonnettes, f:ferme/fermes"
        ),
        "boat": nouns(
            "m:bateau/bateaux, m:bateau/bateaux, m:voilier/voiliers, m:navire/navires, f:barque/barques, "
            "m:yacht/yachts, m:canoë/canoës"
        ),
        "bridge": nouns("m:pont/ponts, m:pont/ponts, m:pont de pierre/ponts de pierre, m:pont en bois/ponts en bois"),
        "windmill": nouns(
            "m:moulin/moulins, m:moulin à vent/moulins à vent, f:éolienne/éoliennes, m:moulin a vent/moulins a vent"
        ),
        "tent": nouns("f:tente/tentes, f:tente/tentes, m:campement/campements, m:feu de camp/feux de camp"),
        "bird": nouns(
            "m:oiseau/oiseaux, m:oiseau/oiseaux, f:mouette/mouettes, m:aigle/aigles, m:cygne/cygnes, m:canard/canards"
        ),
        "balloon": nouns("f:montgolfière/montgolfières, m:ballon/ballons, f:montgolfiere/montgolfieres"),
        "flower": nouns(
            "f:fleur/fleurs, f:fleur/fleurs, f:fleur sauvage/fleurs sauvages, f:tulipe/tulipes, f:rose/roses"
        ),
        "road": nouns("f:route/routes, m:chemin/chemins, m:sentier/sentiers, f:rue/rues, f:piste/pistes"),
        "deer": nouns("m:cerf/cerfs, m:cerf/cerfs, f:biche/biches, m:chevreuil/chevreuils, m:renne/rennes"),
        "rock": nouns("m:rocher/rochers, f:pierre/pierres, m:rocher/rochers, f:roche/roches"),
        "tree": nouns("m:arbre/arbres, m:arbre/arbres, m:chêne/chênes, m:sapin/sapins, m:palmier/palmiers, m:pin/pins"),
    },
    sides=table(
        left="à gauche, à gauche, sur la gauche, du côté gauche, a gauche, à gauche de l'image",
        middle="au milieu, au centre, au milieu de l'image, au centre de l'image",
        right="à droite, à droite, sur la droite, du côté droit, a droite, à droite de l'image",
    ),
    noun_phrase=noun_phrases(COLOURS, NUMBERS, words("des, quelques, plusieurs, beaucoup de"), {"m": "un", "f": "une"}),
    denials=words(
        "sans {name}, sans {many}, pas de {name}, pas de {many}, sans aucun {name}, mais sans {many}, aucun {name}, "
        "il n'y a pas de {name}"
    ),
    articles=("un", "une", "le", "la", "les", "des"),
    joining=words("avec, avec, avec, et"),
    conjunctions=words("et, et, avec"),
    prepositions=words("près de, devant, sur, au bord de, au-dessus de, dans, à côté de"),
    nowhere=words("un paysage, paysage, une scène, la nature, une vue, une image"),
    openings=words(
        "une image de, vue de, une vue de, dessine-moi, montre-moi, je voudrais, image de, fais-moi, dessine"
    ),
    praise=words("belle, magnifique, calme, joli, jolie, paisible, beau"),
    fillers=words(
        "très beau, magnifique, s'il vous plaît, merci, haute qualité, romantique, calme, paysage, nature, 4k, "
        "joli, sans personne"
    ),
    presence=words("il y a {thing}, on voit {thing}, avec {thing}, {thing}"),
    adjectives_follow=True,
    inflections=(("de le", "du"), ("de les", "des"), ("de un", "d'un"), ("de une", "d'une")),
    strays=(
        "très",
        "aussi",
        "peut-être",
        "mon",
        "ma",
        "petit",
        "petite",
        "grand",
        "vieux",
        "encore",
        "ici",
        "tout",
        "comme",
    ),
    introductions=words("{core}, c'est {core}, voici {core}"),
    asides=words("tout est calme, c'est magnifique, merci, il n'y a personne"),
    sentences={
        "time": table(
            dawn="le soleil se lève, c'est le matin",
            noon="il est midi",
            sunset="le soleil se couche, c'est le soir",
            dusk="la nuit tombe",
            night="il fait nuit, la lune brille",
        ),
        "weather": table(
            clear="le ciel est clair, il fait beau",
            rain="il pleut",
            snow="il neige",
            fog="il y a du brouillard",
            storm="il y a de l'orage",
        ),
        "season": table(
            spring="c'est le printemps", summer="c'est l'été", autumn="c'est l'automne", winter="c'est l'hiver"
        ),
    },
    pairs={
        ("noon", "clear"): (
            words("ensoleillé, ensoleillée"),
            words("sous le soleil, sous un ciel bleu, au soleil, par une journée ensoleillée"),
            words("ensoleillé, soleil, ciel bleu, grand soleil"),
        ),
        ("night", "clear"): (
            words("étoilé, étoilée"),
            words("sous les étoiles, sous un ciel étoilé"),
            words("nuit étoilée, ciel étoilé, étoiles"),
        ),
    },
)
