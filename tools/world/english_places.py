"""English for the subjects, with and without the places they are at."""

from tools.world.lexicon import table, words

SUBJECTS = table(
    mountains="mountains, mountains, the mountains, a mountain, a mountain range, peaks, mountain peaks, the alps, "
    "alps, "
    "an alpine landscape, alpine scenery, a summit, summits, a ridge, ridges, a mountain ridge, rocky mountains, "
    "high mountains, tall mountains, the himalayas, himalaya, the rockies, the dolomites, the andes, a massif, crags, "
    "mountain scenery, a mountain landscape, a mountaintop, mountaintops, a mountain top, snow-capped mountains, "
    "snow capped peaks, jagged mountains, a mountain panorama, a peak, the matterhorn, mount everest, a mountainside, "
    "a mountain pass, mountain slopes, towering mountains, steep mountains, sierra, "
    "~a range of mountains, ~jagged peaks, ~a high ridge, ~alpine peaks, ~a mountain summit",
    hills="hills, hills, rolling hills, a hill, green hills, meadows, a meadow, the countryside, countryside, "
    "fields, a field, "
    "pastures, a pasture, grassland, grasslands, the moors, moorland, farmland, a valley, a green valley, a hillside, "
    "hilltops, a hilltop, a prairie, a steppe, the downs, vineyards, tuscany, a rural landscape, heath, knolls, "
    "grassy hills, gentle hills, farm fields, hilly country, a hilly landscape, open fields, foothills, a plain, "
    "~soft rolling hills, ~a grassy meadow, ~hilly countryside, ~green fields",
    dunes="dunes, sand dunes, a desert, the desert, desert, the sahara, sahara, a sandy desert, desert sands, "
    "a sea of sand, "
    "the arabian desert, the gobi desert, an arid desert, a desert landscape, rolling dunes, a dune, a sand dune, "
    "sand, endless sand, desert dunes, dry desert, golden dunes, a dune landscape, a dry wasteland, the namib, "
    "~dunes of sand, ~endless dunes, ~a desert of dunes, ~sandy dunes",
    canyon="a canyon, the canyon, the grand canyon, canyons, a gorge, a ravine, badlands, a mesa, mesas, buttes, "
    "canyon walls, "
    "a red rock canyon, a rocky canyon, a slot canyon, monument valley, sandstone cliffs, a chasm, a deep gorge, "
    "canyonlands, a deep canyon, a canyon landscape, a rocky gorge, sandstone, a cliff gorge, red cliffs, "
    "~a deep ravine, ~a sandstone canyon, ~the walls of a canyon",
    islands="islands, islands, an island, a tropical island, an archipelago, isles, an isle, a desert island, "
    "islets, an islet, "
    "an atoll, a small island, an island chain, bora bora, the maldives, hawaii, the caribbean, a remote island, "
    "a group of islands, little islands, green islands, an island landscape, skerries, rocky islands, lonely islands, "
    "~a chain of islands, ~small islands, ~a remote archipelago",
    lake="a lake, the lake, lake, lakes, a pond, a mountain lake, an alpine lake, a lakeside, a lakeshore, a tarn, "
    "a loch, "
    "a calm lake, a reservoir, a lake shore, a forest lake, a lake view, a mirror lake, a blue lake, a quiet lake, "
    "still water, a lagoon, lake water, lake scenery, a lake landscape, a glassy lake, a small lake, lake como, "
    "~a quiet pond, ~the shore of a lake, ~a still lake, ~a lake in the alps",
    sea="the sea, a sea, sea, the ocean, an ocean, ocean, ocean waves, waves, a seascape, the open sea, "
    "the open ocean, "
    "the high seas, the atlantic, the pacific, a coast, the coast, a coastline, a sea view, an ocean view, a bay, "
    "a rough sea, big waves, the mediterranean, breakers, the deep sea, the blue sea, a marine scene, a cove, "
    "crashing waves, a fjord, open water, the north sea, rolling waves, a calm sea, surf, sea water, "
    "~a view of the ocean, ~the wide ocean, ~waves of the sea",
    beach="a beach, the beach, beach, beaches, a sandy beach, a seashore, the seaside, the shore, a shoreline, "
    "a tropical beach, "
    "a sandy shore, a strand, a beachfront, a white sand beach, a golden beach, a quiet beach, the sandy coast, "
    "a beach scene, a seaside beach, beach sand, a palm beach, a long beach, a lonely beach, a sandy bay, "
    "~a shore of sand, ~a tropical shore, ~the sand of the beach",
    forest="a forest, the forest, forest, woods, the woods, a woodland, woodlands, a pine forest, a jungle, "
    "a rainforest, "
    "a birch forest, a grove, a thicket, a fir forest, a deep forest, the taiga, a black forest, a redwood forest, "
    "an oak forest, a beech wood, a spruce forest, a bamboo forest, an enchanted forest, a glade, a green forest, "
    "a dark forest, the wood, a dense forest, forests, forest scenery, a wooded landscape, a magical forest, "
    "a fairytale forest, a wood, "
    "~deep woods, ~a dense jungle, ~a wood of pines, ~an enchanted wood",
    city="a city, the city, city, a skyline, a city skyline, downtown, skyscrapers, a cityscape, a metropolis, "
    "tokyo, new york, "
    "manhattan, a neon city, a cyberpunk city, an urban landscape, a town, a big city, city buildings, high-rises, "
    "city lights, tall buildings, an urban skyline, a modern city, office towers, neon lights, nyc, hong kong, "
    "chicago, a megacity, a futuristic city, an urban scene, a town skyline, "
    "~the skyline of a city, ~downtown skyscrapers, ~a big modern city, ~an urban metropolis",
    castle="a castle, the castle, castle, castles, a fortress, a palace, a fort, a citadel, a chateau, "
    "a medieval castle, "
    "a stone castle, an old castle, a fairytale castle, a stronghold, castle towers, a castle ruin, a ruined castle, "
    "an ancient fortress, neuschwanstein, a knight's castle, a royal palace, a fairy tale castle, castle walls, "
    "~a medieval fortress, ~a castle with towers, ~an old stronghold",
    lighthouse="a lighthouse, the lighthouse, lighthouse, lighthouses, a light house, a lighthouse tower, a beacon, "
    "an old lighthouse, a coastal lighthouse, a lighthouse beam, a tall lighthouse, a striped lighthouse, "
    "a shining lighthouse, a lonely lighthouse, a light tower, a harbour light, "
    "~a coastal beacon, ~the beam of a lighthouse, ~a tower with a beacon",
    waterfall="a waterfall, the waterfall, waterfall, waterfalls, falls, a cascade, cascades, niagara falls, "
    "victoria falls, "
    "a jungle waterfall, a tall waterfall, cascading water, a water fall, iguazu falls, falling water, the falls, "
    "a roaring waterfall, a hidden waterfall, a mountain waterfall, a big waterfall, rushing water, "
    "~a cascade of water, ~tall falls, ~a hidden cascade",
    volcano="a volcano, the volcano, volcano, volcanoes, volcanos, an erupting volcano, an eruption, lava, "
    "a volcanic eruption, "
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
    castle="on a hill, on a cliff, in the mountains, by the lake, above the sea, in the forest, on an island, "
    "on a mountain, "
    "on the hilltop, in the woods, ~above the forest, ~over a lake",
    lighthouse="by the sea, on a cliff, on the coast, at the shore, on an island, above the waves, at the beach, "
    "by the ocean, "
    "on the rocky coast, ~above the ocean, ~near the beach",
    waterfall="in the forest, in the jungle, in the mountains, in a canyon, in the woods, in iceland, ~in a forest",
    volcano="on an island, by the sea, in the mountains, in iceland, above a town, ~near the ocean",
    aurora="over the mountains, over a lake, above a forest, over the sea, in the arctic sky, over iceland, "
    "over norway, "
    "above the hills, ~over the ocean",
)

PREPOSITIONS = words(
    "by, near, in front of, on, over, above, beside, next to, at, in, close to, at the edge of, before, ~right by"
)

NOWHERE = words(
    "a landscape, scenery, a scene, a place, a view, a vista, nature, a nature scene, somewhere, anything, "
    "a picture, the scene, "
    "an outdoor scene, a landscape scene, outdoors, the world, ~a natural landscape"
)
