"""Spanish: common words and simple sentences, with and without accents."""

from tools.world.lexicon import Lexicon, nouns, table, words
from tools.world.romance import noun_phrases

COLOURS = table(
    red="rojo/roja/rojos/rojas",
    orange="naranja/naranja/naranjas/naranjas",
    yellow="amarillo/amarilla/amarillos/amarillas, dorado/dorada/dorados/doradas",
    green="verde/verde/verdes/verdes",
    blue="azul/azul/azules/azules",
    purple="morado/morada/morados/moradas, violeta/violeta/violetas/violetas, púrpura/púrpura/púrpuras/púrpuras",
    white="blanco/blanca/blancos/blancas",
    black="negro/negra/negros/negras",
)
NUMBERS = {2: words("dos, dos, 2, un par de"), 3: words("tres, tres, 3"), 4: words("cuatro, cuatro, 4")}

SPANISH = Lexicon(
    subjects=table(
        mountains="montañas, las montañas, una montaña, montaña, los alpes, cordillera, cumbres, la sierra, "
        "montanas, montañas altas, "
        "~cumbres de la cordillera",
        hills="colinas, unas colinas, una colina, praderas, una pradera, campo, el campo, valle, un valle, prados, "
        "las colinas, ~colinas del campo",
        dunes="dunas, desierto, el desierto, un desierto, dunas de arena, arena, las dunas, ~dunas del desierto",
        canyon="cañón, un cañón, desfiladero, barranco, el gran cañón, canon, garganta, ~un barranco profundo",
        islands="islas, una isla, isla, isla tropical, archipiélago, unas islas, la isla, islote, "
        "~archipiélago tropical",
        lake="lago, un lago, el lago, laguna, estanque, lago de montaña, orilla del lago, ~orilla de la laguna",
        sea="mar, el mar, océano, el océano, olas, la costa, oceano, ~olas del mar",
        beach="playa, una playa, la playa, playa de arena, orilla del mar, playa tropical, ~playa de arena tropical",
        forest="bosque, un bosque, el bosque, selva, bosques, la selva, bosque de pinos, jungla, ~bosque profundo",
        city="ciudad, una ciudad, la ciudad, rascacielos, gran ciudad, paisaje urbano, metrópolis, "
        "~rascacielos de la ciudad",
        castle="castillo, un castillo, el castillo, fortaleza, palacio, castillo medieval, castillos, "
        "~una fortaleza medieval",
        lighthouse="faro, un faro, el faro, faros, ~un viejo faro",
        waterfall="cascada, una cascada, catarata, cataratas, salto de agua, la cascada, cascadas, ~una gran catarata",
        volcano="volcán, un volcán, el volcán, volcan, erupción, lava, volcán en erupción, volcanes, ~volcán con lava",
        aurora="aurora boreal, auroras boreales, una aurora boreal, la aurora boreal, luces del norte, "
        "~auroras boreales verdes",
    ),
    adjectives={},
    clauses={
        "time": table(
            dawn="al amanecer, por la mañana, al alba, en la mañana, a la salida del sol, de madrugada",
            noon="al mediodía, de día, a mediodía, por la tarde, durante el día, al mediodia, a plena luz del día",
            sunset="al atardecer, en la puesta de sol, con la puesta de sol, durante la puesta del sol, "
            "a la puesta de sol",
            dusk="al anochecer, en el crepúsculo, a la hora azul, en la hora azul, en el crepusculo",
            night="de noche, por la noche, a la luz de la luna, a medianoche, en la noche, bajo la luna",
        ),
        "weather": table(
            clear="con cielo despejado, con buen tiempo, bajo un cielo despejado, sin nubes, con cielo claro",
            rain="bajo la lluvia, con lluvia, en la lluvia, cuando llueve, lluvioso, lluviosa",
            snow="en la nieve, con nieve, bajo la nieve, nevado, nevada, cuando nieva, cubierto de nieve, nevadas, "
            "nevados",
            fog="en la niebla, con niebla, entre la niebla, con bruma, en la bruma",
            storm="en la tormenta, con tormenta, con relámpagos, bajo la tormenta, con rayos, en una tempestad",
        ),
        "season": table(
            spring="en primavera, en abril, en la primavera, en mayo",
            summer="en verano, en julio, en agosto, en el verano",
            autumn="en otoño, en octubre, en el otoño, en noviembre, con hojas de otoño",
            winter="en invierno, en enero, en el invierno, en navidad, en diciembre",
        ),
        "style": table(
            photo="en foto, en fotografía, fotografiado",
            watercolour="en acuarela, pintado en acuarela, a la acuarela",
            oil="al óleo, en óleo, pintado al óleo, pintura al óleo, al oleo",
            pastel="al pastel, en pastel, con tiza, dibujado al pastel",
        ),
    },
    items={
        "time": table(
            dawn="amanecer, mañana, alba, salida del sol, luz de la mañana, madrugada",
            noon="mediodía, día, luz del día, mediodia, tarde",
            sunset="atardecer, puesta de sol, puesta del sol, ocaso, hora dorada",
            dusk="anochecer, crepúsculo, hora azul, crepusculo, ~crepúsculo azul",
            night="noche, luna, medianoche, luna llena, luz de luna, nocturno, noche oscura",
        ),
        "weather": table(
            clear="cielo despejado, despejado, buen tiempo, cielo claro, sin nubes",
            rain="lluvia, lluvioso, llueve, llovizna, lluvias, lloviendo",
            snow="nieve, nevado, nevada, nieva, copos de nieve, nevando",
            fog="niebla, bruma, neblina, brumoso, niebla espesa",
            storm="tormenta, relámpagos, truenos, tempestad, rayos, tormentoso",
        ),
        "season": table(
            spring="primavera, abril, primaveral, mayo",
            summer="verano, julio, veraniego, agosto",
            autumn="otoño, octubre, hojas de otoño, otonal, otono, noviembre",
            winter="invierno, enero, invernal, navidad, diciembre",
        ),
        "style": table(
            photo="foto, fotografía, fotorrealista, realista, foto realista, fotografia",
            watercolour="acuarela, pintura de acuarela, acuarelas, estilo acuarela",
            oil="óleo, pintura al óleo, óleo sobre lienzo, oleo, cuadro al óleo, pintura",
            pastel="pastel, tiza, dibujo al pastel, pasteles, dibujo",
        ),
    },
    style_openings=table(
        photo="una foto de, foto de, una fotografía de, fotografía de",
        watercolour="una acuarela de, acuarela de",
        oil="una pintura al óleo de, un óleo de, una pintura de, un cuadro de",
        pastel="un pastel de, un dibujo al pastel de, un dibujo de",
    ),
    kinds={
        "cabin": nouns(
            "f:cabaña/cabañas, f:casa/casas, f:cabaña/cabañas, f:cabana/cabanas, f:casita/casitas, f:choza/chozas, "
            "f:granja/granjas"
        ),
        "boat": nouns(
            "m:barco/barcos, m:bote/botes, m:velero/veleros, f:barca/barcas, m:barco/barcos, m:yate/yates, "
            "f:canoa/canoas"
        ),
        "bridge": nouns("m:puente/puentes, m:puente/puentes, m:puente de piedra/puentes de piedra"),
        "windmill": nouns("m:molino/molinos, m:molino de viento/molinos de viento, m:molino/molinos"),
        "tent": nouns(
            "f:tienda/tiendas, f:tienda de campaña/tiendas de campaña, f:carpa/carpas, m:campamento/campamentos, "
            "f:fogata/fogatas"
        ),
        "bird": nouns(
            "m:pájaro/pájaros, f:ave/aves, f:gaviota/gaviotas, m:pajaro/pajaros, f:águila/águilas, m:cisne/cisnes"
        ),
        "balloon": nouns("m:globo/globos, m:globo/globos, m:globo aerostático/globos aerostáticos"),
        "flower": nouns(
            "f:flor/flores, f:flor/flores, f:flor silvestre/flores silvestres, m:tulipán/tulipanes, f:rosa/rosas"
        ),
        "road": nouns("m:camino/caminos, f:carretera/carreteras, m:sendero/senderos, f:calle/calles"),
        "deer": nouns("m:ciervo/ciervos, m:venado/venados, m:ciervo/ciervos, m:reno/renos"),
        "rock": nouns("f:roca/rocas, f:piedra/piedras, f:roca/rocas, m:peñasco/peñascos"),
        "tree": nouns("m:árbol/árboles, m:arbol/arboles, m:pino/pinos, m:roble/robles, f:palmera/palmeras"),
    },
    sides=table(
        left="a la izquierda, a la izquierda, en el lado izquierdo, a la izquierda de la imagen, izquierda",
        middle="en el medio, en el centro, en medio, en el centro de la imagen, al centro",
        right="a la derecha, a la derecha, en el lado derecho, a la derecha de la imagen, derecha",
    ),
    noun_phrase=noun_phrases(
        COLOURS, NUMBERS, words("unos, algunos, varios, muchos, algunas, varias, muchas"), {"m": "un", "f": "una"}
    ),
    denials=words(
        "sin {name}, sin {many}, no hay {many}, ningún {name}, pero sin {many}, nada de {many}, que no haya {many}, "
        "no {many}"
    ),
    articles=("un", "una", "el", "la", "los", "las", "unas"),
    joining=words("con, con, con, y"),
    conjunctions=words("y, y, con"),
    prepositions=words("junto a, cerca de, en, frente a, sobre, al lado de, delante de"),
    nowhere=words("un paisaje, paisaje, una escena, la naturaleza, una vista, una imagen"),
    openings=words(
        "una imagen de, vista de, una vista de, dibújame, muéstrame, quiero, imagen de, hazme, quisiera ver, dibuja"
    ),
    praise=words("hermoso, hermosa, bonito, bonita, tranquilo, tranquila, precioso, bello"),
    fillers=words(
        "muy bonito, hermoso, por favor, gracias, alta calidad, romántico, tranquilo, paisaje, naturaleza, 4k, "
        "sin gente, precioso"
    ),
    presence=words("hay {thing}, se ve {thing}, también {thing}, {thing}"),
    adjectives_follow=True,
    inflections=(("de el", "del"), ("en el", "en")),
    strays=(
        "muy",
        "también",
        "quizás",
        "mi",
        "pequeño",
        "pequeña",
        "grande",
        "viejo",
        "aquí",
        "todo",
        "como",
        "hoy",
        "ya",
    ),
    introductions=words("{core}, es {core}, aquí está {core}"),
    asides=words("todo está tranquilo, es precioso, gracias, no hay nadie"),
    sentences={
        "time": table(
            dawn="sale el sol, es la mañana, está amaneciendo",
            noon="es mediodía",
            sunset="se pone el sol, está atardeciendo",
            dusk="está anocheciendo, cae la noche",
            night="es de noche, brilla la luna",
        ),
        "weather": table(
            clear="el cielo está despejado, hace buen tiempo",
            rain="está lloviendo, llueve",
            snow="está nevando, nieva",
            fog="hay niebla",
            storm="hay tormenta, hay una tormenta",
        ),
        "season": table(spring="es primavera", summer="es verano", autumn="es otoño", winter="es invierno"),
    },
    pairs={
        ("noon", "clear"): (
            words("soleado, soleada"),
            words("bajo el sol, bajo un cielo azul, en un día soleado, al sol"),
            words("soleado, sol, cielo azul, día soleado, soleada"),
        ),
        ("night", "clear"): (
            words("estrellado, estrellada"),
            words("bajo las estrellas, bajo un cielo estrellado"),
            words("noche estrellada, cielo estrellado, estrellas"),
        ),
    },
)
