"""English: the words of the new world, with the jargon of photographers and painters and what people add for luck."""

from tools.world.lexicon import Chooser, Lexicon, Noun, nouns, table, words
from tools.world.scene import SINGLE, UNCOUNTED, Thing

SUBJECTS = table(
    mountains="mountains, mountains, the mountains, a mountain, a mountain range, peaks, mountain peaks, the alps, alps, "
    "an alpine landscape, alpine scenery, a summit, summits, a ridge, ridges, a mountain ridge, rocky mountains, "
    "high mountains, tall mountains, the himalayas, himalaya, the rockies, the dolomites, the andes, a massif, crags, "
    "mountain scenery, a mountain landscape, a mountaintop, mountaintops, a mountain top, snow-capped mountains, "
    "snow capped peaks, jagged mountains, a mountain panorama, a peak, the matterhorn, mount everest, a mountainside, "
    "a mountain pass, mountain slopes, towering mountains, steep mountains, sierra, "
    "~a range of mountains, ~jagged peaks, ~a high ridge, ~alpine peaks, ~a mountain summit",
    hills="hills, hills, rolling hills, a hill, green hills, meadows, a meadow, the countryside, countryside, fields, a field, "
    "pastures, a pasture, grassland, grasslands, the moors, moorland, farmland, a valley, a green valley, a hillside, "
    "hilltops, a hilltop, a prairie, a steppe, the downs, vineyards, tuscany, a rural landscape, heath, knolls, "
    "grassy hills, gentle hills, farm fields, hilly country, a hilly landscape, open fields, foothills, a plain, "
    "~soft rolling hills, ~a grassy meadow, ~hilly countryside, ~green fields",
    dunes="dunes, sand dunes, a desert, the desert, desert, the sahara, sahara, a sandy desert, desert sands, a sea of sand, "
    "the arabian desert, the gobi desert, an arid desert, a desert landscape, rolling dunes, a dune, a sand dune, "
    "sand, endless sand, desert dunes, dry desert, golden dunes, a dune landscape, a dry wasteland, the namib, "
    "~dunes of sand, ~endless dunes, ~a desert of dunes, ~sandy dunes",
    canyon="a canyon, the canyon, the grand canyon, canyons, a gorge, a ravine, badlands, a mesa, mesas, buttes, canyon walls, "
    "a red rock canyon, a rocky canyon, a slot canyon, monument valley, sandstone cliffs, a chasm, a deep gorge, "
    "canyonlands, a deep canyon, a canyon landscape, a rocky gorge, sandstone, a cliff gorge, red cliffs, "
    "~a deep ravine, ~a sandstone canyon, ~the walls of a canyon",
    islands="islands, islands, an island, a tropical island, an archipelago, isles, an isle, a desert island, islets, an islet, "
    "an atoll, a small island, an island chain, bora bora, the maldives, hawaii, the caribbean, a remote island, "
    "a group of islands, little islands, green islands, an island landscape, skerries, rocky islands, lonely islands, "
    "~a chain of islands, ~small islands, ~a remote archipelago",
    lake="a lake, the lake, lake, lakes, a pond, a mountain lake, an alpine lake, a lakeside, a lakeshore, a tarn, a loch, "
    "a calm lake, a reservoir, a lake shore, a forest lake, a lake view, a mirror lake, a blue lake, a quiet lake, "
    "still water, a lagoon, lake water, lake scenery, a lake landscape, a glassy lake, a small lake, lake como, "
    "~a quiet pond, ~the shore of a lake, ~a still lake, ~a lake in the alps",
    sea="the sea, a sea, sea, the ocean, an ocean, ocean, ocean waves, waves, a seascape, the open sea, the open ocean, "
    "the high seas, the atlantic, the pacific, a coast, the coast, a coastline, a sea view, an ocean view, a bay, "
    "a rough sea, big waves, the mediterranean, breakers, the deep sea, the blue sea, a marine scene, a cove, "
    "crashing waves, a fjord, open water, the north sea, rolling waves, a calm sea, surf, sea water, "
    "~a view of the ocean, ~the wide ocean, ~waves of the sea",
    beach="a beach, the beach, beach, beaches, a sandy beach, a seashore, the seaside, the shore, a shoreline, a tropical beach, "
    "a sandy shore, a strand, a beachfront, a white sand beach, a golden beach, a quiet beach, the sandy coast, "
    "a beach scene, a seaside beach, beach sand, a palm beach, a long beach, a lonely beach, a sandy bay, "
    "~a shore of sand, ~a tropical shore, ~the sand of the beach",
    forest="a forest, the forest, forest, woods, the woods, a woodland, woodlands, a pine forest, a jungle, a rainforest, "
    "a birch forest, a grove, a thicket, a fir forest, a deep forest, the taiga, a black forest, a redwood forest, "
    "an oak forest, a beech wood, a spruce forest, a bamboo forest, an enchanted forest, a glade, a green forest, "
    "a dark forest, the wood, a dense forest, forests, forest scenery, a wooded landscape, a magical forest, "
    "a fairytale forest, a wood, "
    "~deep woods, ~a dense jungle, ~a wood of pines, ~an enchanted wood",
    city="a city, the city, city, a skyline, a city skyline, downtown, skyscrapers, a cityscape, a metropolis, tokyo, new york, "
    "manhattan, a neon city, a cyberpunk city, an urban landscape, a town, a big city, city buildings, high-rises, "
    "city lights, tall buildings, an urban skyline, a modern city, office towers, neon lights, nyc, hong kong, "
    "chicago, a megacity, a futuristic city, an urban scene, a town skyline, "
    "~the skyline of a city, ~downtown skyscrapers, ~a big modern city, ~an urban metropolis",
    castle="a castle, the castle, castle, castles, a fortress, a palace, a fort, a citadel, a chateau, a medieval castle, "
    "a stone castle, an old castle, a fairytale castle, a stronghold, castle towers, a castle ruin, a ruined castle, "
    "an ancient fortress, neuschwanstein, a knight's castle, a royal palace, a fairy tale castle, castle walls, "
    "~a medieval fortress, ~a castle with towers, ~an old stronghold",
    lighthouse="a lighthouse, the lighthouse, lighthouse, lighthouses, a light house, a lighthouse tower, a beacon, "
    "an old lighthouse, a coastal lighthouse, a lighthouse beam, a tall lighthouse, a striped lighthouse, "
    "a shining lighthouse, a lonely lighthouse, a light tower, a harbour light, "
    "~a coastal beacon, ~the beam of a lighthouse, ~a tower with a beacon",
    waterfall="a waterfall, the waterfall, waterfall, waterfalls, falls, a cascade, cascades, niagara falls, victoria falls, "
    "a jungle waterfall, a tall waterfall, cascading water, a water fall, iguazu falls, falling water, the falls, "
    "a roaring waterfall, a hidden waterfall, a mountain waterfall, a big waterfall, rushing water, "
    "~a cascade of water, ~tall falls, ~a hidden cascade",
    volcano="a volcano, the volcano, volcano, volcanoes, volcanos, an erupting volcano, an eruption, lava, a volcanic eruption, "
    "a crater, vesuvius, a volcanic landscape, lava flows, magma, a smoking volcano, an active volcano, etna, "
    "mount etna, a volcano eruption, glowing lava, a fiery volcano, krakatoa, mount fuji, a lava mountain, "
    "~a volcano with lava, ~an eruption of lava, ~a volcanic crater",
    aurora="aurora, an aurora, the aurora, northern lights, the northern lights, the aurora borealis, aurora borealis, "
    "polar lights, an aurora sky, green aurora, dancing aurora, auroras, the southern lights, polar light, "
    "aurora curtains, a sky full of aurora, shimmering northern lights, the arctic lights, "
    "~dancing northern lights, ~curtains of aurora, ~lights of the aurora",
)

BACKDROPS = table(
    mountains="above a valley, behind the hills, in the distance, above the clouds",
    hills="near the sea, below the mountains, in the country, under a wide sky",
    dunes="in the desert, by the sea, under a wide sky, at the coast",
    canyon="in the desert, in arizona, with a river, with steep walls",
    islands="in the sea, in the ocean, in a lake, in the pacific, off the coast",
    lake="in the mountains, in the forest, between hills, in a valley, in the alps, surrounded by mountains, "
    "~between the mountains",
    sea="with waves, at the coast, to the horizon, with cliffs",
    beach="by the sea, on an island, by the ocean, with waves, at the coast, ~near the ocean",
    forest="in the mountains, in a valley, on a hill, by the sea, by a lake",
    city="by the sea, at the river, in a valley, on the coast, at the foot of the mountains, in the desert, on a hill",
    castle="on a hill, on a cliff, in the mountains, by the lake, above the sea, in the forest, on an island, on a mountain, "
    "on the hilltop, in the woods, ~above the forest, ~over a lake",
    lighthouse="by the sea, on a cliff, on the coast, at the shore, on an island, above the waves, at the beach, by the ocean, "
    "on the rocky coast, ~above the ocean, ~near the beach",
    waterfall="in the forest, in the jungle, in the mountains, in a canyon, in the woods, in iceland, "
    "~in a forest",
    volcano="on an island, by the sea, in the mountains, in iceland, above a town, ~near the ocean",
    aurora="over the mountains, over a lake, above a forest, over the sea, in the arctic sky, over iceland, over norway, "
    "above the hills, ~over the ocean",
)  # fmt: skip

ADJECTIVES = {
    "time": table(
        dawn="dawn, sunrise, early morning, morning, daybreak",
        noon="midday, daytime, noon, noonday",
        sunset="sunset, sunset, golden hour, evening, sundown",
        dusk="dusk, twilight, blue hour, dusky, twilit",
        night="night, moonlit, midnight, nighttime, nocturnal, night-time",
    ),
    "weather": table(
        clear="clear, cloudless, clear-sky",
        rain="rainy, rain-soaked, wet, drizzly, rainswept",
        snow="snowy, snow-covered, snow covered, snowbound, snowed-in",
        fog="foggy, misty, hazy, fog-covered, mist-shrouded",
        storm="stormy, thundery, storm-swept, tempestuous, storm-lashed",
    ),
    "season": table(
        spring="spring, springtime, april, vernal, early spring",
        summer="summer, summery, midsummer, july, summertime",
        autumn="autumn, fall, autumnal, october, fall-coloured, autumn-coloured",
        winter="winter, wintry, wintertime, january, frosty, icy, frozen",
    ),
}
CLAUSES = {
    "time": table(
        dawn="at dawn, at sunrise, at daybreak, in the early morning, in the morning, at first light, as the sun rises, "
        "during sunrise, in the morning light, at the break of day, at 6 am, at dawn, before breakfast, "
        "while the sun comes up, in the morning hours, early in the morning, at sun up, as day breaks, as the day begins, "
        "~in the early light of morning, ~as morning breaks",
        noon="at noon, at midday, in the middle of the day, during the day, in daylight, by day, in the daytime, at high noon, "
        "under the midday sun, in the afternoon, at lunchtime, in broad daylight, with the sun high, at 12 o'clock, "
        "around noon, in full daylight, at 12 pm, in the early afternoon, under the noon sun, "
        "~around midday, ~in the light of noon",
        sunset="at sunset, at sunset, at golden hour, as the sun sets, at sundown, in the evening, during sunset, "
        "with the setting sun, in the evening light, while the sun goes down, in the golden light, with a sunset, "
        "during golden hour, in the evening sun, as the sun goes down, under a sunset sky, when the sun is setting, "
        "~during the golden hour, ~as the evening sun sets",
        dusk="at dusk, at twilight, in the blue hour, at nightfall, in the gloaming, after sunset, just after sunset, "
        "during the blue hour, in the twilight, in fading light, as night falls, during dusk, at blue hour, "
        "as darkness falls, in the last light, after sundown, when it gets dark, late in the evening, "
        "~in the light of dusk, ~as twilight falls",
        night="at night, by night, in the moonlight, under the moon, under a full moon, in the dark, after dark, at midnight, "
        "in the middle of the night, during the night, in the night, at 3 am, by moonlight, in the dead of night, "
        "late at night, at nighttime, in the darkness, with the moon, with a full moon, "
        "~in the dark of the night, ~under the midnight moon",
    ),
    "weather": table(
        clear="under a clear sky, in clear weather, with a clear sky, with clear skies, in good weather, in fine weather, "
        "without a cloud, with no clouds, under a cloudless sky, in fair weather, in clear air, without clouds, "
        "in perfect weather, in dry weather, under clear skies, ~with a cloudless sky, ~in good clear weather",
        rain="in the rain, in pouring rain, in heavy rain, while it rains, during a downpour, in a drizzle, with rain, "
        "on a rainy day, in wet weather, under rain clouds, while it is raining, in rainy weather, in a rain shower, "
        "with rain falling, when it rains, with pouring rain, under the rain, in light rain, in the pouring rain, "
        "~in a heavy downpour, ~during a rain shower",
        snow="in the snow, in snowfall, while it is snowing, with snow, under falling snow, in a blizzard, in a snowstorm, "
        "covered in snow, with falling snow, in fresh snow, in deep snow, under a blanket of snow, when it snows, "
        "while it snows, with snow falling, during snowfall, in heavy snow, with snowflakes, buried in snow, "
        "with snow on the ground, ~covered in fresh snow, ~during a heavy snowfall",
        fog="in the fog, in mist, in the mist, in the haze, in thick fog, shrouded in mist, wrapped in fog, covered in fog, "
        "with fog, behind a veil of mist, on a misty day, in dense fog, with mist, lost in fog, in foggy weather, "
        "with low clouds, hidden in mist, through the fog, in a haze, ~wrapped in thick mist, ~lost in the mist",
        storm="in a storm, during a thunderstorm, with lightning, under storm clouds, in a tempest, with thunder and lightning, "
        "in stormy weather, as a storm rages, in a gale, under a stormy sky, during a storm, with a thunderstorm, "
        "in a thunderstorm, before a storm, with a lightning strike, in the storm, in a hurricane, under thunderclouds, "
        "in strong wind, ~in a raging thunderstorm, ~under a sky of lightning",
        bright="on a sunny day, in the sunshine, under a blue sky, with blue sky, in sunny weather, in bright sunshine",
        starry="under a starry sky, under the stars, with stars, with a starry sky, on a clear night",
    ),
    "season": table(
        spring="in spring, in springtime, in the spring, in april, in early spring, in march, in late spring, during spring, "
        "on a spring day, in may, in cherry blossom season, at springtime, with spring blossom, ~during the spring season",
        summer="in summer, in july, in august, in june, in the summer, in midsummer, on a summer day, during summer, "
        "in high summer, in summertime, in the summer heat, on a hot summer day, in late summer, "
        "~during the summer season",
        autumn="in autumn, in the fall, in fall, in october, in november, in september, with autumn leaves, with autumn colours, "
        "with fall foliage, during autumn, in late autumn, with autumn colors, on an autumn day, with golden leaves, "
        "in the autumn, with falling leaves, in fall colors, in golden autumn, ~with the leaves of autumn",
        winter="in winter, in january, in december, in the depths of winter, in february, in the winter, in wintertime, "
        "at christmas, during winter, on a winter day, in midwinter, in deep winter, in the cold of winter, "
        "at christmas time, on a cold winter day, ~during the winter season",
    ),
    "style": table(
        photo="as a photo, in photo style, shot on film, captured with a camera, in photorealistic style, shot on 35mm, "
        "as a photograph, photographed, like a photo, shot with a dslr, in photographic style, ~as a realistic photograph",
        watercolour="in watercolour, in watercolor, as a watercolour, as a watercolor, painted in watercolour, "
        "in watercolor style, done in watercolors, in aquarelle, as an aquarelle, painted with watercolors, "
        "in water colour, ~as a watercolour painting",
        oil="in oil, as an oil painting, in oils, painted in oil, in oil paint, on canvas, as a painting on canvas, "
        "in oil painting style, in the style of van gogh, in thick oil paint, like a monet, by van gogh, "
        "as an oil on canvas, as a painting, ~painted in thick oils",
        pastel="in pastel, in pastels, as a pastel, drawn in pastel, in soft pastel, in chalk, drawn with chalk, in crayon, "
        "as a pastel drawing, in pastel style, with pastel chalk, in coloured chalk, in pastel colours, "
        "~drawn in soft chalk",
    ),
}
ITEMS = {
    "time": table(
        dawn="dawn, sunrise, daybreak, early morning, morning, first light, morning light, rising sun, sunup, morning sun, "
        "sun rise, morning mood, crack of dawn, break of day, dawn light, ~light of dawn, ~the rising morning sun",
        noon="noon, midday, daytime, daylight, day, afternoon, high noon, noon light, lunchtime, day time, midday sun, day light, "
        "noon sun, ~the light of noon, ~midday light",
        sunset="sunset, sunset, golden hour, setting sun, evening sun, evening, sundown, sunset light, sun set, golden light, "
        "evening light, sunset sky, orange sunset, red sunset, sunset glow, magic hour, evening glow, low evening sun, "
        "pink sunset, ~the glow of sunset, ~evening sunset",
        dusk="dusk, twilight, blue hour, nightfall, gloaming, after sunset, dusk light, late dusk, fading light, twilight sky, "
        "last light, late evening, crepuscule, dusky light, ~the last light of dusk, ~twilight hour",
        night="night, moonlight, midnight, moon, nighttime, full moon, dark night, night sky, night time, moonlit, at night, "
        "dark, crescent moon, darkness, moonlit night, night scene, moonshine, ~midnight moon, ~a dark moonlit night",
    ),
    "weather": table(
        clear="clear sky, clear weather, clear, cloudless sky, good weather, no clouds, fair weather, clear skies, cloudless, "
        "fine weather, nice weather, crisp air, dry weather, ~clear cloudless sky",
        rain="rain, rainy, raining, rainfall, drizzle, downpour, heavy rain, showers, wet weather, monsoon, pouring rain, "
        "raindrops, rainy weather, light rain, rain shower, wet, rainy day, rain clouds, pouring, ~heavy rain shower, "
        "~rain falling",
        snow="snow, snowfall, snowing, snowy, snowflakes, blizzard, falling snow, snow everywhere, fresh snow, heavy snow, "
        "snowy weather, powder snow, deep snow, snowstorm, snow storm, white snow, flurries, snow cover, snowdrifts, "
        "snow falling, ~heavy snowfall, ~fresh falling snow",
        fog="fog, mist, haze, foggy, misty, thick fog, dense fog, hazy, low fog, ground fog, mist everywhere, foggy weather, "
        "light mist, morning mist, sea fog, murky, ~thick mist, ~dense haze",
        storm="storm, thunder, lightning, thunderstorm, stormy, tempest, gale, hurricane, thunder and lightning, storm clouds, "
        "lightning bolts, stormy sky, squall, typhoon, stormy weather, lightning strike, thunderclouds, raging storm, "
        "strong wind, flashes of lightning, thunderbolt, ~thunder storm clouds, ~raging thunderstorm",
        bright="sunny, sunshine, blue sky, sunny weather, bright sun, bright blue sky, sunlit, sunny sky",
        starry="stars, starry sky, starlight, milky way, star-filled sky, many stars, constellations",
    ),
    "season": table(
        spring="spring, springtime, april, spring season, cherry blossom season, march, spring time, spring colours, early spring, "
        "spring day, spring mood, fresh spring green, may, ~spring april day",
        summer="summer, summertime, july, august, june, midsummer, summer day, summer heat, summer time, hot summer, high summer, "
        "summer vibes, summer season, ~hot july day",
        autumn="autumn, fall, october, autumn leaves, fall foliage, autumn colours, fall colors, november, september, "
        "autumn season, indian summer, golden autumn, autumn mood, fall season, autumn colors, fall leaves, foliage, "
        "autumn day, ~october foliage, ~golden autumn leaves",
        winter="winter, wintertime, january, december, christmas, winter season, winter wonderland, frost, midwinter, winter day, "
        "february, cold winter, wintry, icy cold, ice, winter mood, winter time, ~cold january day",
    ),
    "style": table(
        photo="photo, photograph, photorealistic, realistic, dslr, photography, 35mm photo, film photo, snapshot, real photo, "
        "realistic photo, 50mm lens, canon eos, telephoto, f/2.8, nikon, photographic, landscape photography, "
        "national geographic photo, long exposure, photo style, polaroid, raw photo, kodak film, hyperrealistic, "
        "photo realistic, realism, ~realistic dslr photograph, ~film photography",
        watercolour="watercolor, watercolour, aquarelle, watercolor painting, watercolour style, watercolors, water colour, "
        "loose watercolor, watercolor wash, watercolor on paper, wet on wet, watercolour sketch, water color, "
        "watercolour painting, watercolor art, watercolor style, ~loose watercolour wash",
        oil="oil painting, oil, oil on canvas, impasto, oil paint, in oils, oil colours, painting, thick brush strokes, "
        "palette knife, van gogh style, impressionist painting, monet style, old masters, canvas, brushstrokes, oils, "
        "impressionism, classical painting, oil painting style, ~thick oil on canvas, ~impasto painting",
        pastel="pastel, pastels, soft pastel, pastel drawing, chalk, chalk drawing, pastel chalk, crayon drawing, pastel style, "
        "soft pastels, crayons, pastel colours, chalk pastel, oil pastel, pastel art, pastel sketch, drawing, "
        "~soft chalk drawing, ~pastel crayon",
    ),
}
STYLE_OPENINGS = table(
    photo="a photo of, photo of, a photograph of, a picture taken of, a realistic photo of, photography of, an analog photo of, "
    "a photorealistic image of, a snapshot of, a 35mm photo of, a dslr shot of, a high quality photo of, a selfie with, "
    "a photorealistic, a realistic picture of, a photographic view of, a drone photo of, an aerial photo of, "
    "~a film photograph of, ~a realistic snapshot of",
    watercolour="a watercolour of, a watercolor of, watercolor of, watercolour painting of, a watercolor painting of, an aquarelle of, "
    "a loose watercolour of, watercolor sketch of, a delicate watercolor of, water colour painting of, aquarelle of, "
    "~a delicate aquarelle of, ~a watercolour sketch of",
    oil="an oil painting of, oil painting of, a painting of, painting of, an oil on canvas of, a thick oil painting of, "
    "an impressionist painting of, an impasto painting of, a canvas of, an oil paint picture of, a van gogh painting of, "
    "~a thick impasto of, ~an oil paint canvas of",
    pastel="a pastel of, a pastel drawing of, pastel drawing of, a chalk drawing of, a soft pastel of, a crayon drawing of, "
    "pastel painting of, a pastel sketch of, a drawing of, a chalk sketch of, a pastel picture of, "
    "~a soft chalk drawing of, ~a crayon sketch of",
)

KINDS = {
    "cabin": nouns(
        "cabin, cabin, cabin, hut, cottage, house, log cabin, wooden house, farmhouse, lodge, chalet, shack, barn, shed, home, "
        "bungalow, wooden hut, little house, mountain hut, wooden cabin, country house, log house, homestead, "
        "beach hut, farm, villa, hunting lodge, ~log hut, ~country cottage, ~wooden chalet"
    ),
    "boat": nouns(
        "boat, boat, boat, sailboat, ship, yacht, sailing boat, canoe, rowboat, rowing boat, fishing boat, dinghy, vessel, "
        "sailing ship, schooner, kayak, catamaran, raft, barge, ferry, sail boat, motorboat, gondola, sailing yacht, "
        "steamer, sloop, speedboat, ~fishing vessel, ~wooden sailboat, ~little ship"
    ),
    "bridge": nouns(
        "bridge, bridge, bridge, stone bridge, wooden bridge, footbridge, arch bridge, suspension bridge, viaduct, old bridge, "
        "foot bridge, arched bridge, rope bridge, ~arched stone bridge, ~wooden footbridge"
    ),
    "windmill": nouns(
        "windmill, windmill, windmill, mill, old mill, dutch windmill, wind turbine, turbine, wind mill, wooden windmill, "
        "~old windmill, ~dutch mill"
    ),
    "tent": nouns(
        "tent, tent, tent, camp, campsite, camping tent, teepee, tipi, yurt, tent with a campfire/tents with a campfire, "
        "camp fire, campfire, wigwam, bivouac, camping site, tent by a fire/tents by a fire, ~camping place, ~tent camp"
    ),
    "bird": nouns(
        "bird, bird, bird, seagull, gull, eagle, swallow, goose/geese, crow, hawk, stork, swan, sparrow, pigeon, raven, crane, "
        "heron, duck, sea gull, dove, falcon, flying bird, pelican, owl, ~flying seagull, ~flying goose/flying geese"
    ),
    "balloon": nouns(
        "balloon, balloon, hot air balloon, hot air balloon, hot-air balloon, air balloon, montgolfier, floating balloon, "
        "airship, hotair balloon, ~floating air balloon"
    ),
    "flower": nouns(
        "flower, flower, flower, wildflower, wild flower, blossom, bloom, tulip, daisy, rose, flower bed, lily, meadow flower, "
        "patch of flowers/patches of flowers, carnation, petunia, orchid, crocus, blooming flower, "
        "~wild blossom, ~wild rose"
    ),
    "road": nouns(
        "road, road, road, path, trail, lane, dirt road, winding road, country road, footpath, track, highway, street, "
        "gravel path, pathway, walkway, dirt track, hiking trail, gravel road, country lane, motorway, route, foot path, "
        "~winding path, ~dirt trail"
    ),
    "deer": nouns(
        "deer/deer, deer/deer, deer/deers, stag, doe, fawn, elk/elk, reindeer/reindeer, roe deer/roe deer, buck, moose/moose, "
        "hind, roe/roes, red deer/red deer, grazing deer/grazing deer, antelope, ~grazing stag"
    ),
    "rock": nouns(
        "rock, rock, rock, boulder, stone, big rock, large boulder, large rock, giant stone, mossy rock, mossy stone, "
        "big stone, huge boulder, ~mossy boulder, ~giant rock"
    ),
    "tree": nouns(
        "tree, tree, tree, oak, pine tree, fir tree, birch/birches, pine, maple, palm tree, cherry tree, apple tree, willow, "
        "spruce, oak tree, old tree, big tree, fir, palm, maple tree, bare tree, linden, poplar, cypress, "
        "~old oak tree, ~big pine"
    ),
}
# Nouns that say a colour by themselves.
COLOURED = {
    ("flower", "red"): nouns("poppy, red rose"),
    ("flower", "yellow"): nouns("sunflower, dandelion, buttercup, daffodil"),
    ("flower", "blue"): nouns("bluebell, cornflower, forget-me-not"),
    ("flower", "purple"): nouns("lavender/lavender, lupin, lavender flower"),
    ("flower", "white"): nouns("snowdrop, white lily"),
    ("flower", "orange"): nouns("marigold"),
}
COLOURS = table(
    red="red, red, red, red, scarlet, crimson, ruby, bright red, dark red, cherry red, ruby red, blood red, vermilion, maroon, "
    "burgundy, ~bright scarlet, ~dark crimson",
    orange="orange, orange, orange, tangerine, bright orange, copper, pumpkin orange, apricot, dark orange, amber, ~copper orange",
    yellow="yellow, yellow, yellow, lemon yellow, golden, gold, mustard, bright yellow, canary yellow, lemon, mustard yellow, "
    "~bright golden, ~light yellow",
    green="green, green, green, emerald, lime, olive, dark green, emerald green, bright green, lime green, olive green, mint, "
    "moss green, ~dark emerald, ~light green",
    blue="blue, blue, blue, navy, azure, cobalt, dark blue, light blue, navy blue, sky blue, bright blue, turquoise, teal, "
    "royal blue, indigo, sapphire, cyan, ~azure blue, ~dark navy",
    purple="purple, purple, purple, violet, lilac, lavender, magenta, mauve, plum, dark purple, bright purple, pink, fuchsia, "
    "~dark violet, ~light purple",
    white="white, white, white, ivory, snow-white, cream, white-painted, whitewashed, bright white, snow white, pearl, "
    "~ivory white",
    black="black, black, black, jet-black, ebony, pitch black, dark black, coal-black, jet black, inky black, ~ebony black",
)
SIDES = table(
    left="on the left, on the left, on the left, to the left, on the left side, at the left, at left, left, "
    "in the left part of the picture, on the left-hand side, left of the picture, on the far left, on left, "
    "on the left of the picture, to the left of the image, in the left half, on the left hand side, left side, "
    "at the left edge, towards the left, ~at the left side of the image, ~in the left part",
    middle="in the middle, in the middle, in the centre, in the center, at the centre, in the middle of the picture, centered, "
    "centred, in the center of the image, center, middle, right in the middle, at the center, dead centre, "
    "in the very middle, placed in the middle, centrally, ~in the centre of the picture, ~in the middle of the image",
    right="on the right, on the right, on the right, to the right, on the right side, at the right, at right, right, "
    "in the right part of the picture, on the right-hand side, right of the picture, on the far right, on right, "
    "on the right of the picture, to the right of the image, in the right half, on the right hand side, right side, "
    "at the right edge, towards the right, ~at the right side of the image, ~in the right part",
)
COUNTS = {
    1: words("a, a, a, a, one, 1, a single, a lone, exactly one, just one, one single, only one, an isolated, ~just a single"),
    2: words("two, two, two, 2, a pair of, a couple of, exactly two, twin, two, just two, ~exactly 2"),
    3: words("three, three, three, 3, a trio of, exactly three, three, a group of three, just three, ~exactly 3"),
    4: words("four, four, four, 4, exactly four, a group of four, four, just four, ~exactly 4"),
}
SOME = words(
    "some, several, a few, many, a bunch of, lots of, multiple, various, a number of, plenty of, a lot of, ~quite a few"
)
GATHERED = {
    "bird": words("a flock of, flocks of, a swarm of"),
    "flower": words("a carpet of, a bed of, a patch of, bunches of"),
    "deer": words("a herd of"),
    "boat": words("a fleet of"),
    "tree": words("a row of, a group of"),
    "rock": words("a pile of"),
    "cabin": words("a row of, a village of, a cluster of"),
}
SIZES = words(
    "small, little, tiny, old, big, large, lonely, wooden, cute, beautiful, distant, pretty, rustic, simple, great, lovely, "
    "~tiny little"
)
AFTER_COLOUR = words("{noun} in {colour}, {noun} painted {colour}, {noun} of {colour} colour, {noun} ({colour}), {noun} {colour}, ~{noun} coloured {colour}")


def noun_phrase(noun: Noun, thing: Thing, counted: bool, colour: str | None, choose: Chooser) -> str:
    """ "two red boats": the count if told, the colour if told; an untold count is a bare noun or "some"."""
    if colour and (thing.kind, colour) in COLOURED and choose.chance(0.2):
        noun, colour = choose.one(COLOURED[thing.kind, colour]), None
    word = choose.one(COLOURS[colour]) if colour else ""
    several = thing.count > 1 or (thing.kind in UNCOUNTED and choose.chance(0.85))
    name = noun.plural if several else noun.singular
    if word and choose.chance(0.1):
        name, word = choose.one(AFTER_COLOUR).format(noun=name, colour=word), ""
    before = f"{choose.one(SIZES)} " if choose.chance(0.08) else ""
    name = f"{before}{word} {name}".strip()
    if thing.kind in SINGLE | UNCOUNTED:
        quantity = choose.among(("", "some", "many")) if several else choose.among(("a", "a", "", "the"))
    elif counted:
        quantity = choose.one(COUNTS[thing.count])
    else:
        quantity = choose.one(SOME) if several and choose.chance(0.5) else ""
    if several and not counted and thing.kind in GATHERED and choose.chance(0.15):
        quantity = choose.one(GATHERED[thing.kind])
    return f"{quantity} {name}".strip()


DENIALS = words(
    "no {many}, no {many}, without {many}, without {one}, without any {many}, but no {many}, free of {many}, no {name}, "
    "not a single {name}, with no {many}, with no {name}, there are no {many}, don't draw any {many}, please no {many}, "
    "minus the {many}, exclude {many}, avoid {many}, leave out the {many}, no {many} please, zero {many}, 0 {many}, "
    "no {name} anywhere, no {many} at all, lacking {many}, nothing with {many}, there is no {name}, {name}-free, "
    "not any {many}, i don't want {many}, remove the {many}, dont add {many}, without the {name}, no {name} in sight, "
    "w/o {many}, w/o {name}, there should be no {many}, nor any {many}, there must not be {one}, skip the {many}, nobody wants {many}, "
    "neither {many}, there isn't any {name}, not one {name}, never {one}, {many} not allowed, but without {many}, but not {one}, ~not even {one}, ~and please leave out {many}, "
    "~without a single {name}, ~no {many} in the picture"
)
OPENINGS = words(
    "a view of, view of, a picture of, an image of, a scene of, a landscape with, picture of, image of, a wide view of, "
    "a scene with, please draw, draw me, can you make, show me, i would like, give me, generate, create an image of, "
    "please make, i want, make, paint me, a vista of, looking at, imagine, let's see, a depiction of, could you paint, "
    "wallpaper of, a postcard of, create, i'd love to see, a wide shot of, close-up of, an aerial view of, render, "
    "a panorama of, a poster of, illustration of, ~a wide picture of, ~could you please make, ~i would love a view of"
)
PRAISE = words(
    "beautiful, stunning, peaceful, lovely, scenic, gorgeous, calm, pretty, majestic, breathtaking, epic, serene, dramatic, "
    "idyllic, dreamy, amazing, wonderful, magnificent, quiet, tranquil, romantic, awesome, nice, wild, remote, moody, "
    "picturesque, spectacular, vast, mysterious, charming, fantastic, huge, atmospheric, lonely, ~wonderfully calm"
)
FILLERS = words(
    "masterpiece, 4k, 8k, hd, highly detailed, trending on artstation, best quality, ultra detailed, cinematic, wide angle, "
    "wallpaper, award winning, unreal engine, no people, no text, no watermark, thanks, please, nature, scenery, peaceful, "
    "landscape, my favourite, nice colors, digital art, illustration, wide shot, minimal, postcard, art, high resolution, "
    "beautiful, dramatic light, soft light, epic, serene, intricate, sharp focus, vivid colors, calm mood, atmospheric, "
    "composition, rule of thirds, depth, golden ratio, panoramic, panorama, artstation, octane render, cozy, nostalgic, "
    "relaxing, without people, for my living room, as a gift, dreamlike, fantasy, ethereal, trending, hdr, perfect, moody, "
    "studio ghibli vibes, very nice, for my phone, background, desktop background, nobody around, empty, no humans, "
    "lots of detail, detailed background, wide format, ~thank you very much, ~very beautiful"
)
PREPOSITIONS = words("by, near, in front of, on, over, above, beside, next to, at, in, close to, at the edge of, before, ~right by")
PRESENCE = words(
    "there is {thing}, there are {thing}, you can see {thing}, we see {thing}, i can see {thing}, {thing} can be seen, "
    "it has {thing}, also {thing}, look for {thing}, {thing}, include {thing}, don't forget {thing}, add {thing}, "
    "{thing} completes the scene, put {thing}, ~the picture also has {thing}, ~please include {thing}"
)
NOWHERE = words(
    "a landscape, scenery, a scene, a place, a view, a vista, nature, a nature scene, somewhere, anything, a picture, the scene, "
    "an outdoor scene, a landscape scene, outdoors, the world, ~a natural landscape"
)
DOING = {
    "cabin": words("with light inside, with smoke, in front, with lit windows, with a chimney, stands, sits, standing there, sitting, hidden"),
    "boat": words("sailing, floating, drifting by, on the water, at anchor, moored, sails, floats, drifting, struggling, passing by, docked"),
    "bridge": words("in front, crossing it, over the water, leading across, across, spanning it"),
    "windmill": words("turning, spinning, standing, turns slowly, in the wind, stands, on top"),
    "tent": words("pitched, with a campfire, by a fire, with a fire burning, set up, is pitched"),
    "bird": words("flying, in the sky, flying by, above, circling, overhead, fly, in the air, soaring, on the wing, calling"),
    "balloon": words("floating by, in the sky, in the air, drifting, above, flying, rising, floats, drifting past"),
    "flower": words("everywhere, blooming, in bloom, in front, in the foreground, growing, all over the place, swaying"),
    "road": words("leading to it, winding through, going up, in front, winding along, leads there, running through, into the distance"),
    "deer": words("grazing, standing, watching, drinking, standing there, looking at us, stands, walking, watches from afar, running"),
    "rock": words("lying around, covered in moss, in front, in the foreground, lie there, scattered around"),
    "tree": words("growing, around it, standing tall, in front, all around, stands, in the foreground, swaying"),
}
STRAYS = (
    "very really just maybe like totally again still always today somehow my our his her perfect favourite lol ok hey hello tall "
    "wide far around inside outside waiting walking looking coming going slowly quietly finally now here then when we you they "
    "people man woman child dog cat horse car train late early perhaps also even only pls plz for mom dad friends holiday trip "
    "old new strange weird funny cool sad happy love style of from up down near it its this that these so such rather quite "
    "almost something thing place world dream sleeping reading story once upon upon little grand mighty deep rough smooth "
    "bicycle fence sofa piano sheep cow fox rabbit wolf fish bench guitar umbrella robot dragon unicorn clock chair table "
    "lamp apple tower shadow reflection horizon distance foreground background magic secret ancient modern simple days years"
).split()
SENTENCES = {
    "time": table(
        dawn="the sun is just rising, it is early morning, dawn is breaking, the day begins, a new day starts, it is dawn, "
        "the morning has come, ~the early sun is rising",
        noon="it is noon, it is the middle of the day, the sun stands high, it is midday, it is daytime, it is lunchtime, "
        "~the midday sun stands high",
        sunset="the sun is setting, it is sunset, the sky glows at sunset, the sun goes down, it is evening, the sun is going down, "
        "the evening sun glows, ~the sunset glows",
        dusk="it is dusk, twilight has come, night is about to fall, the sun has just set, it is getting dark, it is the blue hour, "
        "the light is fading, ~dusk has come",
        night="it is night, the moon is up, it is dark, it is midnight, night has fallen, the moon shines, it is the middle of the night, "
        "~the midnight moon is up",
    ),
    "weather": table(
        clear="the sky is clear, there is not a cloud, the weather is fine, no cloud in the sky, the air is clear, ~the weather is clear",
        rain="it is raining, it rains, rain is falling, it is pouring, everything is wet, rain pours down, it drizzles, "
        "~it is raining heavily",
        snow="it is snowing, it snows, snow is falling, snow covers the ground, everything is covered in snow, snowflakes drift down, "
        "~snow falls everywhere",
        fog="it is foggy, fog lies over everything, mist hangs in the air, everything is lost in fog, it is misty, "
        "~thick mist covers everything",
        storm="a storm is raging, lightning strikes, thunder rolls, it is stormy, a thunderstorm is coming, lightning flashes, "
        "the wind howls, ~a raging storm is coming",
        bright="the sun is shining, the sky is blue, it is sunny, the sun shines",
        starry="the stars are out, stars fill the sky, the sky is full of stars",
    ),
    "season": table(
        spring="it is spring, spring has come, it is april, ~it is springtime",
        summer="it is summer, summer is here, it is july, it is a hot summer, ~it is summertime",
        autumn="it is autumn, the leaves are turning, fall has come, it is october, the leaves are falling, ~fall is here",
        winter="it is winter, winter has come, it is january, everything is frozen, it is freezing, ~winter is here",
    ),
    "style": table(
        photo="it is a photo, it looks like a real photo, make it photorealistic, taken with a camera, ~it is a realistic photo",
        watercolour="it is a watercolour, painted in watercolor, make it a watercolor, use watercolors, ~it is painted in watercolour",
        oil="it is an oil painting, painted in oil, make it an oil painting, use oil paint, ~it is painted in oil",
        pastel="it is a pastel, drawn in pastel, make it a pastel drawing, use soft chalk, ~it is drawn in chalk",
    ),
}
INTRODUCTIONS = words(
    "{core}, this is {core}, imagine {core}, i dreamt of {core}, picture {core}, we stand before {core}, we are at {core}, "
    "the picture shows {core}, here is {core}, before us lies {core}, please paint {core}, in front of us is {core}, "
    "a story begins at {core}, ~i dreamt of a picture of {core}, ~here we stand before {core}"
)
ASIDES = words(
    "the air is still, nobody is around, it feels like home, i remember this place from my childhood, it is very quiet, "
    "a scene full of calm, time stands still, it should look wonderful, make it beautiful, everything is peaceful, "
    "i love this place, make it look amazing, thank you, take your time, surprise me, it is for my grandmother, "
    "the mood is calm, be creative, use nice colours, the colours are soft, the silence is deep, what a place, "
    "it should feel cosy, no people please, ~i love the calm of this place"
)
_PAIRS = {
    ("noon", "clear"): (
        words("sunny, sunlit, bright sunny"),
        words(
            "on a sunny day, in the sunshine, under a blue sky, with blue sky, in bright sunshine, under a bright blue sky, "
            "in the sun, on a bright day, ~on a bright sunny day"
        ),
        words("sunny, sunny day, blue sky, sunshine, bright day, bright sunshine, blue skies, clear day, ~bright blue sky day"),
    ),
    ("night", "clear"): (
        words("starry, starlit, starry night"),
        words("under a starry sky, under the stars, on a starry night, beneath the stars, with stars in the sky, under the milky way"),
        words("starry night, stars, starry sky, starlight, milky way, clear night, night sky with stars, ~starry night sky"),
    ),
    ("dawn", "fog"): (words("misty morning"), words("in the morning mist, on a foggy morning"), words("morning fog, misty morning")),
    ("dawn", "clear"): (words("sunny morning"), words("on a sunny morning"), words("sunny morning, clear morning")),
    ("night", "storm"): (words("stormy night"), words("on a stormy night"), words("stormy night, night storm")),
    ("night", "rain"): (words("rainy night"), words("on a rainy night"), words("rainy night, night rain")),
    ("night", "snow"): (words("snowy night"), words("on a snowy night"), words("snowy night")),
    ("sunset", "clear"): (words("sunny evening"), words("on a sunny evening"), words("clear sunset, sunny evening")),
}  # fmt: skip

ENGLISH = Lexicon(
    subjects=SUBJECTS,
    backdrops=BACKDROPS,
    adjectives=ADJECTIVES,
    clauses=CLAUSES,
    items=ITEMS,
    style_openings=STYLE_OPENINGS,
    kinds=KINDS,
    sides=SIDES,
    noun_phrase=noun_phrase,
    denials=DENIALS,
    articles=("a", "an", "the"),
    joining=words("with, with, with, and, w/, w, and also, featuring, plus, showing, having, that has, where there is, including, ~along with"),
    conjunctions=words("and, and, and, plus, as well as, with, &, while, and then, ~together with"),
    prepositions=PREPOSITIONS,
    nowhere=NOWHERE,
    openings=OPENINGS,
    praise=PRAISE,
    fillers=FILLERS,
    presence=PRESENCE,
    pairs=_PAIRS,
    sentences=SENTENCES,
    doing=DOING,
    strays=tuple(STRAYS),
    inflections=(("is", "was"), ("are", "were"), ("has", "had")),
    introductions=INTRODUCTIONS,
    asides=ASIDES,
)
