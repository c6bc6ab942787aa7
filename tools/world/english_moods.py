"""English for time, weather, season and style: adjectives, clauses, list items, openings and whole sentences."""

from tools.world.lexicon import table, words

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
        dawn="at dawn, at sunrise, at daybreak, in the early morning, in the morning, at first light, "
        "as the sun rises, "
        "during sunrise, in the morning light, at the break of day, at 6 am, at dawn, before breakfast, "
        "while the sun comes up, in the morning hours, early in the morning, at sun up, as day breaks, "
        "as the day begins, "
        "~in the early light of morning, ~as morning breaks",
        noon="at noon, at midday, in the middle of the day, during the day, in daylight, by day, in the daytime, "
        "at high noon, "
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
        night="at night, by night, in the moonlight, under the moon, under a full moon, in the dark, after dark, "
        "at midnight, "
        "in the middle of the night, during the night, in the night, at 3 am, by moonlight, in the dead of night, "
        "late at night, at nighttime, in the darkness, with the moon, with a full moon, "
        "~in the dark of the night, ~under the midnight moon",
    ),
    "weather": table(
        clear="under a clear sky, in clear weather, with a clear sky, with clear skies, in good weather, "
        "in fine weather, "
        "without a cloud, with no clouds, under a cloudless sky, in fair weather, in clear air, without clouds, "
        "in perfect weather, in dry weather, under clear skies, ~with a cloudless sky, ~in good clear weather",
        rain="in the rain, in pouring rain, in heavy rain, while it rains, during a downpour, in a drizzle, with rain, "
        "on a rainy day, in wet weather, under rain clouds, while it is raining, in rainy weather, in a rain shower, "
        "with rain falling, when it rains, with pouring rain, under the rain, in light rain, in the pouring rain, "
        "~in a heavy downpour, ~during a rain shower",
        snow="in the snow, in snowfall, while it is snowing, with snow, under falling snow, in a blizzard, "
        "in a snowstorm, "
        "covered in snow, with falling snow, in fresh snow, in deep snow, under a blanket of snow, when it snows, "
        "while it snows, with snow falling, during snowfall, in heavy snow, with snowflakes, buried in snow, "
        "with snow on the ground, ~covered in fresh snow, ~during a heavy snowfall",
        fog="in the fog, in mist, in the mist, in the haze, in thick fog, shrouded in mist, wrapped in fog, "
        "covered in fog, "
        "with fog, behind a veil of mist, on a misty day, in dense fog, with mist, lost in fog, in foggy weather, "
        "with low clouds, hidden in mist, through the fog, in a haze, ~wrapped in thick mist, ~lost in the mist",
        storm="in a storm, during a thunderstorm, with lightning, under storm clouds, in a tempest, "
        "with thunder and lightning, "
        "in stormy weather, as a storm rages, in a gale, under a stormy sky, during a storm, with a thunderstorm, "
        "in a thunderstorm, before a storm, with a lightning strike, in the storm, in a hurricane, "
        "under thunderclouds, "
        "in strong wind, ~in a raging thunderstorm, ~under a sky of lightning",
        bright="on a sunny day, in the sunshine, under a blue sky, with blue sky, in sunny weather, in bright sunshine",
        starry="under a starry sky, under the stars, with stars, with a starry sky, on a clear night",
    ),
    "season": table(
        spring="in spring, in springtime, in the spring, in april, in early spring, in march, in late spring, "
        "during spring, "
        "on a spring day, in may, in cherry blossom season, at springtime, with spring blossom, "
        "~during the spring season",
        summer="in summer, in july, in august, in june, in the summer, in midsummer, on a summer day, during summer, "
        "in high summer, in summertime, in the summer heat, on a hot summer day, in late summer, "
        "~during the summer season",
        autumn="in autumn, in the fall, in fall, in october, in november, in september, with autumn leaves, "
        "with autumn colours, "
        "with fall foliage, during autumn, in late autumn, with autumn colors, on an autumn day, with golden leaves, "
        "in the autumn, with falling leaves, in fall colors, in golden autumn, ~with the leaves of autumn",
        winter="in winter, in january, in december, in the depths of winter, in february, in the winter, "
        "in wintertime, "
        "at christmas, during winter, on a winter day, in midwinter, in deep winter, in the cold of winter, "
        "at christmas time, on a cold winter day, ~during the winter season",
    ),
    "style": table(
        photo="as a photo, in photo style, shot on film, captured with a camera, in photorealistic style, "
        "shot on 35mm, "
        "as a photograph, photographed, like a photo, shot with a dslr, in photographic style, "
        "~as a realistic photograph",
        watercolour="in watercolour, in watercolor, as a watercolour, as a watercolor, painted in watercolour, "
        "in watercolor style, done in watercolors, in aquarelle, as an aquarelle, painted with watercolors, "
        "in water colour, ~as a watercolour painting",
        oil="in oil, as an oil painting, in oils, painted in oil, in oil paint, on canvas, as a painting on canvas, "
        "in oil painting style, in the style of van gogh, in thick oil paint, like a monet, by van gogh, "
        "as an oil on canvas, as a painting, ~painted in thick oils",
        pastel="in pastel, in pastels, as a pastel, drawn in pastel, in soft pastel, in chalk, drawn with chalk, "
        "in crayon, "
        "as a pastel drawing, in pastel style, with pastel chalk, in coloured chalk, in pastel colours, "
        "~drawn in soft chalk",
    ),
}

ITEMS = {
    "time": table(
        dawn="dawn, sunrise, daybreak, early morning, morning, first light, morning light, rising sun, sunup, "
        "morning sun, "
        "sun rise, morning mood, crack of dawn, break of day, dawn light, ~light of dawn, ~the rising morning sun",
        noon="noon, midday, daytime, daylight, day, afternoon, high noon, noon light, lunchtime, day time, "
        "midday sun, day light, "
        "noon sun, ~the light of noon, ~midday light",
        sunset="sunset, sunset, golden hour, setting sun, evening sun, evening, sundown, sunset light, sun set, "
        "golden light, "
        "evening light, sunset sky, orange sunset, red sunset, sunset glow, magic hour, evening glow, low evening sun, "
        "pink sunset, ~the glow of sunset, ~evening sunset",
        dusk="dusk, twilight, blue hour, nightfall, gloaming, after sunset, dusk light, late dusk, fading light, "
        "twilight sky, "
        "last light, late evening, crepuscule, dusky light, ~the last light of dusk, ~twilight hour",
        night="night, moonlight, midnight, moon, nighttime, full moon, dark night, night sky, night time, moonlit, "
        "at night, "
        "dark, crescent moon, darkness, moonlit night, night scene, moonshine, ~midnight moon, ~a dark moonlit night",
    ),
    "weather": table(
        clear="clear sky, clear weather, clear, cloudless sky, good weather, no clouds, fair weather, clear skies, "
        "cloudless, "
        "fine weather, nice weather, crisp air, dry weather, ~clear cloudless sky",
        rain="rain, rainy, raining, rainfall, drizzle, downpour, heavy rain, showers, wet weather, monsoon, "
        "pouring rain, "
        "raindrops, rainy weather, light rain, rain shower, wet, rainy day, rain clouds, pouring, ~heavy rain shower, "
        "~rain falling",
        snow="snow, snowfall, snowing, snowy, snowflakes, blizzard, falling snow, snow everywhere, fresh snow, "
        "heavy snow, "
        "snowy weather, powder snow, deep snow, snowstorm, snow storm, white snow, flurries, snow cover, snowdrifts, "
        "snow falling, ~heavy snowfall, ~fresh falling snow",
        fog="fog, mist, haze, foggy, misty, thick fog, dense fog, hazy, low fog, ground fog, mist everywhere, "
        "foggy weather, "
        "light mist, morning mist, sea fog, murky, ~thick mist, ~dense haze",
        storm="storm, thunder, lightning, thunderstorm, stormy, tempest, gale, hurricane, thunder and lightning, "
        "storm clouds, "
        "lightning bolts, stormy sky, squall, typhoon, stormy weather, lightning strike, thunderclouds, raging storm, "
        "strong wind, flashes of lightning, thunderbolt, ~thunder storm clouds, ~raging thunderstorm",
        bright="sunny, sunshine, blue sky, sunny weather, bright sun, bright blue sky, sunlit, sunny sky",
        starry="stars, starry sky, starlight, milky way, star-filled sky, many stars, constellations",
    ),
    "season": table(
        spring="spring, springtime, april, spring season, cherry blossom season, march, spring time, "
        "spring colours, early spring, "
        "spring day, spring mood, fresh spring green, may, ~spring april day",
        summer="summer, summertime, july, august, june, midsummer, summer day, summer heat, summer time, "
        "hot summer, high summer, "
        "summer vibes, summer season, ~hot july day",
        autumn="autumn, fall, october, autumn leaves, fall foliage, autumn colours, fall colors, november, september, "
        "autumn season, indian summer, golden autumn, autumn mood, fall season, autumn colors, fall leaves, foliage, "
        "autumn day, ~october foliage, ~golden autumn leaves",
        winter="winter, wintertime, january, december, christmas, winter season, winter wonderland, frost, "
        "midwinter, winter day, "
        "february, cold winter, wintry, icy cold, ice, winter mood, winter time, ~cold january day",
    ),
    "style": table(
        photo="photo, photograph, photorealistic, realistic, dslr, photography, 35mm photo, film photo, snapshot, "
        "real photo, "
        "realistic photo, 50mm lens, canon eos, telephoto, f/2.8, nikon, photographic, landscape photography, "
        "national geographic photo, long exposure, photo style, polaroid, raw photo, kodak film, hyperrealistic, "
        "photo realistic, realism, ~realistic dslr photograph, ~film photography",
        watercolour="watercolor, watercolour, aquarelle, watercolor painting, watercolour style, watercolors, "
        "water colour, "
        "loose watercolor, watercolor wash, watercolor on paper, wet on wet, watercolour sketch, water color, "
        "watercolour painting, watercolor art, watercolor style, ~loose watercolour wash",
        oil="oil painting, oil, oil on canvas, impasto, oil paint, in oils, oil colours, painting, "
        "thick brush strokes, "
        "palette knife, van gogh style, impressionist painting, monet style, old masters, canvas, brushstrokes, oils, "
        "impressionism, classical painting, oil painting style, ~thick oil on canvas, ~impasto painting",
        pastel="pastel, pastels, soft pastel, pastel drawing, chalk, chalk drawing, pastel chalk, crayon drawing, "
        "pastel style, "
        "soft pastels, crayons, pastel colours, chalk pastel, oil pastel, pastel art, pastel sketch, drawing, "
        "~soft chalk drawing, ~pastel crayon",
    ),
}

STYLE_OPENINGS = table(
    photo="a photo of, photo of, a photograph of, a picture taken of, a realistic photo of, photography of, "
    "an analog photo of, "
    "a photorealistic image of, a snapshot of, a 35mm photo of, a dslr shot of, a high quality photo of, "
    "a selfie with, "
    "a photorealistic, a realistic picture of, a photographic view of, a drone photo of, an aerial photo of, "
    "~a film photograph of, ~a realistic snapshot of",
    watercolour="a watercolour of, a watercolor of, watercolor of, watercolour painting of, "
    "a watercolor painting of, an aquarelle of, "
    "a loose watercolour of, watercolor sketch of, a delicate watercolor of, water colour painting of, aquarelle of, "
    "~a delicate aquarelle of, ~a watercolour sketch of",
    oil="an oil painting of, oil painting of, a painting of, painting of, an oil on canvas of, "
    "a thick oil painting of, "
    "an impressionist painting of, an impasto painting of, a canvas of, an oil paint picture of, "
    "a van gogh painting of, "
    "~a thick impasto of, ~an oil paint canvas of",
    pastel="a pastel of, a pastel drawing of, pastel drawing of, a chalk drawing of, a soft pastel of, "
    "a crayon drawing of, "
    "pastel painting of, a pastel sketch of, a drawing of, a chalk sketch of, a pastel picture of, "
    "~a soft chalk drawing of, ~a crayon sketch of",
)

SENTENCES = {
    "time": table(
        dawn="the sun is just rising, it is early morning, dawn is breaking, the day begins, a new day starts, "
        "it is dawn, "
        "the morning has come, ~the early sun is rising",
        noon="it is noon, it is the middle of the day, the sun stands high, it is midday, it is daytime, "
        "it is lunchtime, "
        "~the midday sun stands high",
        sunset="the sun is setting, it is sunset, the sky glows at sunset, the sun goes down, it is evening, "
        "the sun is going down, "
        "the evening sun glows, ~the sunset glows",
        dusk="it is dusk, twilight has come, night is about to fall, the sun has just set, it is getting dark, "
        "it is the blue hour, "
        "the light is fading, ~dusk has come",
        night="it is night, the moon is up, it is dark, it is midnight, night has fallen, the moon shines, "
        "it is the middle of the night, "
        "~the midnight moon is up",
    ),
    "weather": table(
        clear="the sky is clear, there is not a cloud, the weather is fine, no cloud in the sky, the air is clear, "
        "~the weather is clear",
        rain="it is raining, it rains, rain is falling, it is pouring, everything is wet, rain pours down, "
        "it drizzles, "
        "~it is raining heavily",
        snow="it is snowing, it snows, snow is falling, snow covers the ground, everything is covered in snow, "
        "snowflakes drift down, "
        "~snow falls everywhere",
        fog="it is foggy, fog lies over everything, mist hangs in the air, everything is lost in fog, it is misty, "
        "~thick mist covers everything",
        storm="a storm is raging, lightning strikes, thunder rolls, it is stormy, a thunderstorm is coming, "
        "lightning flashes, "
        "the wind howls, ~a raging storm is coming",
        bright="the sun is shining, the sky is blue, it is sunny, the sun shines",
        starry="the stars are out, stars fill the sky, the sky is full of stars",
    ),
    "season": table(
        spring="it is spring, spring has come, it is april, ~it is springtime",
        summer="it is summer, summer is here, it is july, it is a hot summer, ~it is summertime",
        autumn="it is autumn, the leaves are turning, fall has come, it is october, the leaves are falling, "
        "~fall is here",
        winter="it is winter, winter has come, it is january, everything is frozen, it is freezing, ~winter is here",
    ),
    "style": table(
        photo="it is a photo, it looks like a real photo, make it photorealistic, taken with a camera, "
        "~it is a realistic photo",
        watercolour="it is a watercolour, painted in watercolor, make it a watercolor, use watercolors, "
        "~it is painted in watercolour",
        oil="it is an oil painting, painted in oil, make it an oil painting, use oil paint, ~it is painted in oil",
        pastel="it is a pastel, drawn in pastel, make it a pastel drawing, use soft chalk, ~it is drawn in chalk",
    ),
}

PAIRS = {
    ("noon", "clear"): (
        words("sunny, sunlit, bright sunny"),
        words(
            "on a sunny day, in the sunshine, under a blue sky, with blue sky, in bright sunshine, "
            "under a bright blue sky, "
            "in the sun, on a bright day, ~on a bright sunny day"
        ),
        words(
            "sunny, sunny day, blue sky, sunshine, bright day, bright sunshine, blue skies, clear day, "
            "~bright blue sky day"
        ),
    ),
    ("night", "clear"): (
        words("starry, starlit, starry night"),
        words(
            "under a starry sky, under the stars, on a starry night, beneath the stars, with stars in the sky, "
            "under the milky way"
        ),
        words(
            "starry night, stars, starry sky, starlight, milky way, clear night, night sky with stars, "
            "~starry night sky"
        ),
    ),
    ("dawn", "fog"): (
        words("misty morning"),
        words("in the morning mist, on a foggy morning"),
        words("morning fog, misty morning"),
    ),
    ("dawn", "clear"): (words("sunny morning"), words("on a sunny morning"), words("sunny morning, clear morning")),
    ("night", "storm"): (words("stormy night"), words("on a stormy night"), words("stormy night, night storm")),
    ("night", "rain"): (words("rainy night"), words("on a rainy night"), words("rainy night, night rain")),
    ("night", "snow"): (words("snowy night"), words("on a snowy night"), words("snowy night")),
    ("sunset", "clear"): (words("sunny evening"), words("on a sunny evening"), words("clear sunset, sunny evening")),
}
