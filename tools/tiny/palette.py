"""What the hour and the weather do to colour."""

from dataclasses import dataclass

from tools.tiny.canvas import Colour, mix, rgb

WHITE = rgb(0.95, 0.97, 1.0)


@dataclass(frozen=True)
class Palette:
    """Light of one hour: `haze` is what distance fades into.

    `ambient` multiplies daylight colours, after they are drawn towards grey by `fading`: eyes see less colour at night.
    """

    zenith: Colour
    middle: Colour
    horizon: Colour
    disc: Colour
    glow: Colour
    ambient: Colour
    near_ambient: Colour
    haze: Colour
    overcast: Colour
    mist: Colour
    window: Colour
    snow: Colour
    fading: float


HOURS = {
    "dawn": Palette(
        zenith=rgb(0.60, 0.64, 0.88),
        middle=rgb(0.94, 0.75, 0.85),
        horizon=rgb(1.0, 0.94, 0.76),
        disc=rgb(1.0, 0.97, 0.80),
        glow=rgb(1.0, 0.90, 0.78),
        ambient=rgb(0.92, 0.78, 0.90),
        near_ambient=rgb(0.90, 0.80, 0.90),
        haze=rgb(0.93, 0.79, 0.87),
        overcast=rgb(0.72, 0.66, 0.82),
        mist=rgb(0.95, 0.86, 0.90),
        window=rgb(1.0, 0.90, 0.66),
        snow=rgb(0.97, 0.91, 0.97),
        fading=0.0,
    ),
    "noon": Palette(
        zenith=rgb(0.20, 0.51, 0.90),
        middle=rgb(0.46, 0.74, 0.97),
        horizon=rgb(0.84, 0.94, 1.0),
        disc=rgb(1.0, 0.98, 0.78),
        glow=rgb(1.0, 1.0, 0.92),
        ambient=rgb(1.0, 1.0, 1.0),
        near_ambient=rgb(1.0, 1.0, 1.0),
        haze=rgb(0.72, 0.86, 0.97),
        overcast=rgb(0.58, 0.69, 0.82),
        mist=rgb(0.88, 0.92, 0.94),
        window=rgb(0.78, 0.90, 0.98),
        snow=rgb(0.96, 0.98, 1.0),
        fading=0.0,
    ),
    "sunset": Palette(
        zenith=rgb(0.27, 0.15, 0.42),
        middle=rgb(0.83, 0.28, 0.34),
        horizon=rgb(1.0, 0.64, 0.22),
        disc=rgb(1.0, 0.80, 0.32),
        glow=rgb(1.0, 0.58, 0.20),
        ambient=rgb(0.68, 0.40, 0.46),
        near_ambient=rgb(0.92, 0.60, 0.54),
        haze=rgb(0.76, 0.36, 0.40),
        overcast=rgb(0.56, 0.34, 0.46),
        mist=rgb(0.93, 0.62, 0.48),
        window=rgb(1.0, 0.80, 0.40),
        snow=rgb(0.90, 0.70, 0.76),
        fading=0.0,
    ),
    "night": Palette(
        zenith=rgb(0.03, 0.05, 0.17),
        middle=rgb(0.07, 0.12, 0.32),
        horizon=rgb(0.17, 0.26, 0.50),
        disc=rgb(0.98, 0.97, 0.86),
        glow=rgb(0.45, 0.55, 0.80),
        ambient=rgb(0.27, 0.34, 0.58),
        near_ambient=rgb(0.42, 0.50, 0.72),
        haze=rgb(0.15, 0.22, 0.44),
        overcast=rgb(0.11, 0.15, 0.28),
        mist=rgb(0.36, 0.43, 0.60),
        window=rgb(1.0, 0.85, 0.42),
        snow=rgb(0.52, 0.60, 0.82),
        fading=0.55,
    ),
}


@dataclass(frozen=True)
class Light:
    """The hour's palette under one weather: turns daylight colours into what is seen."""

    palette: Palette
    weather: str

    def sky(self, colour: Colour) -> Colour:
        """A sky colour, dulled by falling snow or by fog."""
        if self.weather == "snow":
            return mix(colour, self.palette.overcast, 0.55)
        if self.weather == "fog":
            return mix(colour, self.palette.mist, 0.68)
        return colour

    def at(self, daylight: Colour, distance: float, snowy: float = 0.0) -> Colour:
        """`daylight` seen from `distance` in [0, 1]; `snowy` is how much of it snow covers in snowy weather."""
        seen = mix(daylight, daylight.mean(), self.palette.fading)
        lit = seen * mix(self.palette.near_ambient, self.palette.ambient, min(1.0, 3 * distance))
        if self.weather == "snow":
            lit = mix(lit, self.palette.snow, snowy)
        if self.weather == "fog":
            return mix(lit, self.palette.mist, min(0.90, 0.08 + 1.25 * distance))
        return mix(lit, self.palette.haze, 0.75 * distance)
