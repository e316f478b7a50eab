# prompt: Write a function celsius_to_fahrenheit that converts a temperature from Celsius to Fahrenheit.
# test: celsius_to_fahrenheit(0) == 32
# test: celsius_to_fahrenheit(100) == 212
# test: celsius_to_fahrenheit(-40) == -40
def celsius_to_fahrenheit(celsius: float) -> float:
    """Convert a temperature from Celsius to Fahrenheit.

    Args:
        celsius: The temperature in Celsius.

    Returns:
        The temperature in Fahrenheit.

    Example:
        >>> celsius_to_fahrenheit(20)
        68.0
    """
    return celsius * 9 / 5 + 32


# prompt: I have a list of Fahrenheit readings from a weather station. Give me `readings_to_celsius` to convert them all to Celsius, rounded to one decimal.
# test: readings_to_celsius([32, 212]) == [0.0, 100.0]
# test: readings_to_celsius([]) == []
# test: readings_to_celsius([70]) == [21.1]
# test: readings_to_celsius([0]) == [-17.8]
def readings_to_celsius(readings: list[float]) -> list[float]:
    """Convert Fahrenheit readings to Celsius.

    Args:
        readings: The temperatures in Fahrenheit.

    Returns:
        The temperatures in Celsius.

    Example:
        >>> readings_to_celsius([50, 68])
        [10.0, 20.0]
    """
    return [round((reading - 32) * 5 / 9, 1) for reading in readings]


# prompt: python function is_leap_year(year) that follows the Gregorian rules, so 2000 is a leap year but 1900 is not
# test: is_leap_year(2000) is True
# test: is_leap_year(1900) is False
# test: is_leap_year(2024) is True
# test: is_leap_year(2023) is False
def is_leap_year(year: int) -> bool:
    """Check whether a year is a leap year.

    Args:
        year: The year to check.

    Returns:
        True if the year has 366 days.

    Example:
        >>> is_leap_year(2012)
        True
    """
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


# prompt: How do I compute the area of a circle from its radius in Python? Call the function circle_area.
# test: abs(circle_area(1) - 3.141592653589793) < 1e-9
# test: abs(circle_area(10) - 314.1592653589793) < 1e-9
# test: circle_area(0) == 0
import math


def circle_area(radius: float) -> float:
    """Compute the area of a circle.

    Args:
        radius: The radius of the circle.

    Returns:
        The area of the circle.

    Example:
        >>> round(circle_area(2), 2)
        12.57
    """
    return math.pi * radius**2


# prompt: Implement `distance(a: tuple[float, float], b: tuple[float, float]) -> float`, the straight-line distance between two points.
# test: distance((0, 0), (3, 4)) == 5
# test: distance((1, 1), (1, 1)) == 0
# test: distance((-2, 0), (2, 0)) == 4
# test: abs(distance((0, 0), (1, 1)) - 2**0.5) < 1e-9
def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Compute the distance between two points.

    Args:
        a: The first point.
        b: The second point.

    Returns:
        The straight-line distance.

    Example:
        >>> distance((1, 2), (4, 6))
        5.0
    """
    return ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5


# prompt: I need triangle_area(a, b, c) using Heron's formula on the three side lengths. Raise a ValueError if one side is not shorter than the other two together.
# test: triangle_area(3, 4, 5) == 6
# test: triangle_area(5, 5, 6) == 12
# test: triangle_area(13, 14, 15) == 84
# raises ValueError: triangle_area(1, 2, 3)
# raises ValueError: triangle_area(10, 2, 3)
def triangle_area(a: float, b: float, c: float) -> float:
    """Compute the area of a triangle from its sides.

    Args:
        a: The first side.
        b: The second side.
        c: The third side.

    Returns:
        The area of the triangle.

    Raises:
        ValueError: If the sides form no triangle.

    Example:
        >>> triangle_area(6, 8, 10)
        24.0
    """
    if 2 * max(a, b, c) >= a + b + c:
        raise ValueError("sides must form a triangle")
    half = (a + b + c) / 2
    return (half * (half - a) * (half - b) * (half - c)) ** 0.5


# prompt: Write triangle_kind(a, b, c), which says if three side lengths make an "equilateral", "isosceles" or "scalene" triangle.
# test: triangle_kind(2, 2, 2) == "equilateral"
# test: triangle_kind(3, 5, 3) == "isosceles"
# test: triangle_kind(3, 4, 5) == "scalene"
# test: triangle_kind(4, 4, 7) == "isosceles"
def triangle_kind(a: int, b: int, c: int) -> str:
    """Name the kind of a triangle.

    Args:
        a: The first side.
        b: The second side.
        c: The third side.

    Returns:
        The kind of the triangle.

    Example:
        >>> triangle_kind(5, 5, 8)
        'isosceles'
    """
    kinds = {1: "equilateral", 2: "isosceles", 3: "scalene"}
    return kinds[len({a, b, c})]


# prompt: Write `format_duration(seconds)` so that 3725 becomes "1:02:05" (hours, minutes, seconds). Raise a TypeError if seconds is not an integer.
# test: format_duration(3725) == "1:02:05"
# test: format_duration(0) == "0:00:00"
# test: format_duration(86400) == "24:00:00"
# raises TypeError: format_duration("60")
# raises TypeError: format_duration(2.5)
def format_duration(seconds: int) -> str:
    """Format seconds as hours, minutes and seconds.

    Args:
        seconds: The duration in seconds.

    Returns:
        The duration as H:MM:SS.

    Raises:
        TypeError: If the seconds are not an integer.

    Example:
        >>> format_duration(90)
        '0:01:30'
    """
    if not isinstance(seconds, int):
        raise TypeError("seconds must be an integer")
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


# prompt: How long is a shift? minutes_between(start, end) should take two "HH:MM" strings and return the minutes from start to end; an end before the start is on the next day.
# test: minutes_between("09:00", "10:30") == 90
# test: minutes_between("22:00", "06:00") == 480
# test: minutes_between("12:15", "12:15") == 0
# test: minutes_between("23:59", "00:00") == 1
def minutes_between(start: str, end: str) -> int:
    """Count the minutes between two times.

    Args:
        start: The first time as HH:MM.
        end: The second time as HH:MM.

    Returns:
        The minutes from start to end.

    Example:
        >>> minutes_between("08:00", "08:45")
        45
    """
    start_hour, start_minute = map(int, start.split(":"))
    end_hour, end_minute = map(int, end.split(":"))
    return (60 * (end_hour - start_hour) + end_minute - start_minute) % 1440


# prompt: For a calendar I need days_in_month(year, month), leap years included. A month outside 1 to 12 must raise a ValueError.
# test: days_in_month(2024, 2) == 29
# test: days_in_month(1900, 2) == 28
# test: days_in_month(2023, 4) == 30
# test: days_in_month(2023, 12) == 31
# raises ValueError: days_in_month(2023, 0)
# raises ValueError: days_in_month(2023, 13)
def days_in_month(year: int, month: int) -> int:
    """Count the days of a month.

    Args:
        year: The year of the month.
        month: The month from 1 to 12.

    Returns:
        The number of days.

    Raises:
        ValueError: If the month is not 1 to 12.

    Example:
        >>> days_in_month(2023, 2)
        28
    """
    if not 1 <= month <= 12:
        raise ValueError("month must be 1 to 12")
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


# prompt: km_to_miles, 1 mile is 1.609344 km, result rounded to 2 decimals please
# test: km_to_miles(1.609344) == 1
# test: km_to_miles(0) == 0
# test: km_to_miles(42.195) == 26.22
# test: km_to_miles(100) == 62.14
def km_to_miles(km: float) -> float:
    """Convert kilometres to miles.

    Args:
        km: The distance in kilometres.

    Returns:
        The distance in miles.

    Example:
        >>> km_to_miles(5)
        3.11
    """
    return round(km / 1.609344, 2)


# prompt: Can you write bmi(weight, height) for kilograms and metres, rounded to one decimal? A height of zero or less should raise a ValueError.
# test: bmi(80, 2) == 20
# test: bmi(70, 1.75) == 22.9
# test: bmi(50, 1) == 50
# raises ValueError: bmi(70, 0)
# raises ValueError: bmi(70, -1.8)
def bmi(weight: float, height: float) -> float:
    """Compute the body mass index.

    Args:
        weight: The weight in kilograms.
        height: The height in metres.

    Returns:
        The index rounded to one decimal.

    Raises:
        ValueError: If the height is not positive.

    Example:
        >>> bmi(60, 1.6)
        23.4
    """
    if height <= 0:
        raise ValueError("height must be positive")
    return round(weight / height**2, 1)


# prompt: Write a function that turns a test score into a letter: A from 90, B from 80, C from 70, D from 60 and F for anything lower.
# test: letter_grade(95) == "A"
# test: letter_grade(90) == "A"
# test: letter_grade(89) == "B"
# test: letter_grade(60) == "D"
# test: letter_grade(12) == "F"
def letter_grade(score: int) -> str:
    """Turn a score into a letter grade.

    Args:
        score: The score of the test.

    Returns:
        The letter from A to F.

    Example:
        >>> letter_grade(75)
        'C'
    """
    for letter, lowest in (("A", 90), ("B", 80), ("C", 70), ("D", 60)):
        if score >= lowest:
            return letter
    return "F"


# prompt: My trip is a list of (km, hours) legs. I need average_speed(legs) for the whole trip in km/h, and a ValueError if the total time is zero.
# test: average_speed([(100, 1), (50, 2)]) == 50
# test: average_speed([(30, 0.5)]) == 60
# test: average_speed([(0, 3)]) == 0
# raises ValueError: average_speed([])
# raises ValueError: average_speed([(10, 0)])
def average_speed(legs: list[tuple[float, float]]) -> float:
    """Compute the average speed of a trip.

    Args:
        legs: The kilometres and hours of each leg.

    Returns:
        The speed in km/h.

    Raises:
        ValueError: If the total time is zero.

    Example:
        >>> average_speed([(80, 1), (40, 1)])
        60.0
    """
    hours = sum(leg[1] for leg in legs)
    if hours == 0:
        raise ValueError("the total time must not be zero")
    return sum(leg[0] for leg in legs) / hours


# prompt: Physics homework: a function kinetic_energy(mass, speed) in joules, from kilograms and metres per second.
# test: kinetic_energy(2, 3) == 9
# test: kinetic_energy(5, 0) == 0
# test: kinetic_energy(1, 10) == 50
# test: kinetic_energy(4, -1) == 2
def kinetic_energy(mass: float, speed: float) -> float:
    """Compute the kinetic energy of a body.

    Args:
        mass: The mass in kilograms.
        speed: The speed in metres per second.

    Returns:
        The energy in joules.

    Example:
        >>> kinetic_energy(10, 2)
        20.0
    """
    return mass * speed**2 / 2


# prompt: How many litres fit into a cylindrical tank? Write tank_litres(diameter, height) with both in centimetres, rounded to one decimal.
# test: tank_litres(10, 10) == 0.8
# test: tank_litres(100, 100) == 785.4
# test: tank_litres(50, 0) == 0
import math


def tank_litres(diameter: float, height: float) -> float:
    """Compute the volume of a cylindrical tank.

    Args:
        diameter: The diameter in centimetres.
        height: The height in centimetres.

    Returns:
        The volume in litres.

    Example:
        >>> tank_litres(20, 50)
        15.7
    """
    base = math.pi * (diameter / 2) ** 2
    return round(base * height / 1000, 1)


# prompt: Write `taxi_distance(start, end)`, the Manhattan distance between two grid points of any (equal) number of dimensions.
# test: taxi_distance((0, 0), (3, 4)) == 7
# test: taxi_distance((1, 2, 3), (1, 2, 3)) == 0
# test: taxi_distance((5,), (-5,)) == 10
# test: taxi_distance((1, 1, 1), (2, 0, 3)) == 4
def taxi_distance(start: tuple[int, ...], end: tuple[int, ...]) -> int:
    """Compute the Manhattan distance of two points.

    Args:
        start: The first point.
        end: The second point.

    Returns:
        The sum of the steps along each axis.

    Example:
        >>> taxi_distance((1, 2), (4, 0))
        5
    """
    return sum(abs(a - b) for a, b in zip(start, end))


# prompt: I want to show a body height given in centimetres as feet and inches, like "5 ft 11 in" for 180. Round to whole inches (2.54 cm each) and call it feet_and_inches.
# test: feet_and_inches(180) == "5 ft 11 in"
# test: feet_and_inches(152.4) == "5 ft 0 in"
# test: feet_and_inches(100) == "3 ft 3 in"
# test: feet_and_inches(5.08) == "0 ft 2 in"
def feet_and_inches(cm: float) -> str:
    """Write a height in feet and inches.

    Args:
        cm: The height in centimetres.

    Returns:
        The height as feet and inches.

    Example:
        >>> feet_and_inches(170)
        '5 ft 7 in'
    """
    feet, inches = divmod(round(cm / 2.54), 12)
    return f"{feet} ft {inches} in"


# prompt: Given song lengths such as ["3:20", "1:05"], how do I get the length of the whole playlist in seconds?
# test: playlist_seconds(["3:20", "1:05"]) == 265
# test: playlist_seconds([]) == 0
# test: playlist_seconds(["0:09"]) == 9
# test: playlist_seconds(["10:00", "10:00"]) == 1200
def playlist_seconds(lengths: list[str]) -> int:
    """Add up the lengths of songs.

    Args:
        lengths: The lengths as M:SS.

    Returns:
        The total in seconds.

    Example:
        >>> playlist_seconds(["2:00", "0:30"])
        150
    """
    total = 0
    for length in lengths:
        minutes, seconds = length.split(":")
        total += 60 * int(minutes) + int(seconds)
    return total


# prompt: convert a 24-hour time like "15:05" to "3:05 PM" (midnight is "12:00 AM"), name the function to_12_hour
# test: to_12_hour("15:05") == "3:05 PM"
# test: to_12_hour("00:00") == "12:00 AM"
# test: to_12_hour("12:30") == "12:30 PM"
# test: to_12_hour("09:45") == "9:45 AM"
def to_12_hour(time: str) -> str:
    """Convert a time to the 12-hour clock.

    Args:
        time: The time as HH:MM.

    Returns:
        The time with AM or PM.

    Example:
        >>> to_12_hour("18:20")
        '6:20 PM'
    """
    hour, minute = time.split(":")
    half = "AM" if int(hour) < 12 else "PM"
    return f"{int(hour) % 12 or 12}:{minute} {half}"


# prompt: Which weekday is it in n days? Write weekday_after(day, n) where day is one of "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"; any other name should raise a ValueError.
# test: weekday_after("Mon", 1) == "Tue"
# test: weekday_after("Sat", 2) == "Mon"
# test: weekday_after("Wed", 700) == "Wed"
# raises ValueError: weekday_after("Funday", 3)
def weekday_after(day: str, n: int) -> str:
    """Find the weekday after some days.

    Args:
        day: The weekday to start from.
        n: The number of days to go.

    Returns:
        The weekday after n days.

    Raises:
        ValueError: If the day is unknown.

    Example:
        >>> weekday_after("Fri", 3)
        'Mon'
    """
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    if day not in names:
        raise ValueError("day must be a weekday")
    return names[(names.index(day) + n) % 7]


# prompt: Write a Python function day_of_year(month, day) that numbers the days of a normal (non-leap) year, from 1 for January 1 to 365.
# test: day_of_year(1, 1) == 1
# test: day_of_year(3, 1) == 60
# test: day_of_year(12, 31) == 365
# test: day_of_year(2, 28) == 59
def day_of_year(month: int, day: int) -> int:
    """Number a day within a normal year.

    Args:
        month: The month from 1 to 12.
        day: The day of the month.

    Returns:
        The number of the day, from 1.

    Example:
        >>> day_of_year(2, 1)
        32
    """
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return sum(lengths[: month - 1]) + day


# prompt: I have the corners of a simple polygon as a list of (x, y) tuples in order. Could you write polygon_area with the shoelace formula?
# test: polygon_area([(0, 0), (4, 0), (4, 3), (0, 3)]) == 12
# test: polygon_area([(0, 0), (0, 2), (2, 0)]) == 2
# test: polygon_area([(1, 1), (2, 1), (2, 2), (1, 2)]) == 1
def polygon_area(corners: list[tuple[float, float]]) -> float:
    """Compute the area of a polygon.

    Args:
        corners: The corners in order.

    Returns:
        The area of the polygon.

    Example:
        >>> polygon_area([(0, 0), (4, 0), (0, 3)])
        6.0
    """
    edges = zip(corners, corners[1:] + corners[:1])
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in edges)) / 2


# prompt: Implement `convert_length(value: float, source: str, target: str) -> float` for the units "mm", "cm", "m" and "km". An unknown unit should raise a KeyError.
# test: convert_length(5, "km", "m") == 5000
# test: convert_length(25, "mm", "cm") == 2.5
# test: convert_length(7, "m", "m") == 7
# raises KeyError: convert_length(1, "inch", "m")
# raises KeyError: convert_length(1, "m", "yard")
def convert_length(value: float, source: str, target: str) -> float:
    """Convert a length to another unit.

    Args:
        value: The length to convert.
        source: The unit of the value.
        target: The unit to convert to.

    Returns:
        The length in the target unit.

    Raises:
        KeyError: If a unit is unknown.

    Example:
        >>> convert_length(3, "m", "cm")
        300.0
    """
    sizes = {"mm": 1, "cm": 10, "m": 1000, "km": 1000000}
    if source not in sizes or target not in sizes:
        raise KeyError("unknown unit")
    return value * sizes[source] / sizes[target]


# prompt: Teachers here drop each student's worst quiz. Write quiz_average(scores): the mean without the single lowest score. Fewer than two scores is a ValueError.
# test: quiz_average([10, 8, 2]) == 9
# test: quiz_average([5, 5]) == 5
# test: quiz_average([0, 0, 6]) == 3
# raises ValueError: quiz_average([7])
# raises ValueError: quiz_average([])
def quiz_average(scores: list[float]) -> float:
    """Average the scores without the lowest one.

    Args:
        scores: The scores of a student.

    Returns:
        The mean of the other scores.

    Raises:
        ValueError: If there are fewer than two scores.

    Example:
        >>> quiz_average([4, 9, 7])
        8.0
    """
    if len(scores) < 2:
        raise ValueError("scores must hold at least two items")
    return (sum(scores) - min(scores)) / (len(scores) - 1)


# prompt: After a game night I have a dict of player names to points. Which function gives me an alphabetical list of everyone who shares first place? The dict is never empty.
# test: winners({"Ann": 3, "Bob": 5}) == ["Bob"]
# test: winners({"Zoe": 4, "Al": 4, "Kim": 1}) == ["Al", "Zoe"]
# test: winners({"Solo": 0}) == ["Solo"]
def winners(points: dict[str, int]) -> list[str]:
    """Find the players in first place.

    Args:
        points: The points of each player.

    Returns:
        The names of the winners, sorted.

    Example:
        >>> winners({"Eve": 7, "Dan": 7, "Max": 2})
        ['Dan', 'Eve']
    """
    best = max(points.values())
    return sorted(name for name in points if points[name] == best)


# prompt: Runners talk in pace, so I want `running_pace(minutes, km)` to return the time per kilometre as "M:SS", like "5:30" for 55 minutes over 10 km.
# test: running_pace(55, 10) == "5:30"
# test: running_pace(20, 5) == "4:00"
# test: running_pace(61, 12) == "5:05"
# test: running_pace(5, 10) == "0:30"
def running_pace(minutes: float, km: float) -> str:
    """Compute the pace of a run.

    Args:
        minutes: The time of the run.
        km: The length of the run.

    Returns:
        The time per kilometre as M:SS.

    Example:
        >>> running_pace(45, 10)
        '4:30'
    """
    seconds = round(60 * minutes / km)
    return f"{seconds // 60}:{seconds % 60:02d}"


# prompt: Write rectangles_overlap(a, b) for rectangles given as (left, bottom, right, top). True only if they share some area; touching edges do not count.
# test: rectangles_overlap((0, 0, 2, 2), (1, 1, 3, 3)) is True
# test: rectangles_overlap((0, 0, 1, 1), (1, 0, 2, 1)) is False
# test: rectangles_overlap((0, 0, 9, 9), (2, 2, 3, 3)) is True
# test: rectangles_overlap((0, 0, 1, 1), (0, 5, 1, 6)) is False
def rectangles_overlap(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Check whether two rectangles overlap.

    Args:
        a: The edges of the first rectangle.
        b: The edges of the second rectangle.

    Returns:
        True if they share some area.

    Example:
        >>> rectangles_overlap((0, 0, 4, 4), (3, 3, 5, 5))
        True
    """
    across = max(a[0], b[0]) < min(a[2], b[2])
    upright = max(a[1], b[1]) < min(a[3], b[3])
    return across and upright


# prompt: What is the smaller angle between the hands of a clock? clock_angle(hour, minute) should give it in degrees; the hour hand moves steadily.
# test: clock_angle(3, 0) == 90
# test: clock_angle(12, 0) == 0
# test: clock_angle(6, 0) == 180
# test: clock_angle(3, 30) == 75
# test: clock_angle(11, 0) == 30
def clock_angle(hour: int, minute: int) -> float:
    """Compute the angle between the clock hands.

    Args:
        hour: The hour from 1 to 12.
        minute: The minute from 0 to 59.

    Returns:
        The smaller angle in degrees.

    Example:
        >>> clock_angle(9, 30)
        105.0
    """
    angle = abs(30 * hour + minute / 2 - 6 * minute) % 360
    return min(angle, 360 - angle)


# prompt: interior angle in degrees of a regular polygon with n sides; name it interior_angle and raise a ValueError for fewer than 3 sides
# test: interior_angle(3) == 60
# test: interior_angle(4) == 90
# test: interior_angle(10) == 144
# raises ValueError: interior_angle(2)
def interior_angle(n: int) -> float:
    """Compute the interior angle of a regular polygon.

    Args:
        n: The number of sides.

    Returns:
        The angle in degrees.

    Raises:
        ValueError: If there are fewer than 3 sides.

    Example:
        >>> interior_angle(6)
        120.0
    """
    if n < 3:
        raise ValueError("n must be at least 3")
    return (n - 2) * 180 / n


# prompt: I'm checking form input: write is_valid_time, True for a 24-hour time with two digits each such as "07:30", False for "24:00", "7:30" or "ab:cd".
# test: is_valid_time("07:30") is True
# test: is_valid_time("23:59") is True
# test: is_valid_time("24:00") is False
# test: is_valid_time("7:30") is False
# test: is_valid_time("ab:cd") is False
import re


def is_valid_time(text: str) -> bool:
    """Check whether a text is a 24-hour time.

    Args:
        text: The text to check.

    Returns:
        True if the text is a valid time.

    Example:
        >>> is_valid_time("12:60")
        False
    """
    return re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text) is not None


# prompt: Write a function season that names the northern season of a month number: winter is December to February, then spring, summer and autumn follow, three months each.
# test: season(12) == "winter"
# test: season(2) == "winter"
# test: season(3) == "spring"
# test: season(8) == "summer"
# test: season(11) == "autumn"
def season(month: int) -> str:
    """Name the season of a month.

    Args:
        month: The month from 1 to 12.

    Returns:
        The name of the season.

    Example:
        >>> season(4)
        'spring'
    """
    names = ["winter", "spring", "summer", "autumn"]
    return names[month % 12 // 3]


# prompt: How old is somebody today? I'd like age(birth, today) with both dates as (year, month, day) tuples, giving full years.
# test: age((2000, 5, 10), (2020, 5, 10)) == 20
# test: age((2000, 5, 10), (2020, 5, 9)) == 19
# test: age((1990, 12, 31), (2024, 1, 1)) == 33
# test: age((2024, 1, 1), (2024, 6, 1)) == 0
def age(birth: tuple[int, int, int], today: tuple[int, int, int]) -> int:
    """Compute an age in full years.

    Args:
        birth: The date of birth.
        today: The current date.

    Returns:
        The age in years.

    Example:
        >>> age((1980, 3, 1), (2000, 2, 1))
        19
    """
    years = today[0] - birth[0]
    return years - 1 if today[1:] < birth[1:] else years


# prompt: in which century lies a year? 1900 is in the 19th, 1901 in the 20th, so I need an int back for a positive year
# test: century(1900) == 19
# test: century(1901) == 20
# test: century(1) == 1
# test: century(2024) == 21
def century(year: int) -> int:
    """Find the century of a year.

    Args:
        year: The positive year.

    Returns:
        The number of the century.

    Example:
        >>> century(1705)
        18
    """
    return (year + 99) // 100


# prompt: Write compass_direction, mapping a heading in degrees to the nearest of N, NE, E, SE, S, SW, W and NW, where 0 is N and 90 is E.
# test: compass_direction(0) == "N"
# test: compass_direction(90) == "E"
# test: compass_direction(350) == "N"
# test: compass_direction(200) == "S"
# test: compass_direction(310) == "NW"
def compass_direction(degrees: float) -> str:
    """Name the compass direction of a heading.

    Args:
        degrees: The heading in degrees.

    Returns:
        The nearest direction.

    Example:
        >>> compass_direction(47)
        'NE'
    """
    names = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"]
    return names[round(degrees / 45) % 8]


# prompt: The exam was too hard, so everybody gets the same bonus until the best score is 100. I need a function that takes the list of scores and returns the new list.
# test: curve_scores([80, 90]) == [90, 100]
# test: curve_scores([100, 40]) == [100, 40]
# test: curve_scores([55]) == [100]
# test: curve_scores([60, 70, 60]) == [90, 100, 90]
def curve_scores(scores: list[int]) -> list[int]:
    """Raise all scores until the best one is 100.

    Args:
        scores: The scores of the exam.

    Returns:
        The raised scores in the same order.

    Example:
        >>> curve_scores([70, 95, 80])
        [75, 100, 85]
    """
    bonus = 100 - max(scores)
    return [score + bonus for score in scores]


# prompt: Write `add_minutes(time, minutes)` so that add_minutes("23:50", 20) gives "00:10". It should wrap around midnight.
# test: add_minutes("23:50", 20) == "00:10"
# test: add_minutes("08:05", 0) == "08:05"
# test: add_minutes("10:00", 125) == "12:05"
# test: add_minutes("00:00", 1440) == "00:00"
def add_minutes(time: str, minutes: int) -> str:
    """Add minutes to a time of day.

    Args:
        time: The time as HH:MM.
        minutes: The minutes to add.

    Returns:
        The new time as HH:MM.

    Example:
        >>> add_minutes("09:30", 45)
        '10:15'
    """
    hour, minute = map(int, time.split(":"))
    total = 60 * hour + minute + minutes
    return f"{total // 60 % 24:02d}:{total % 60:02d}"


# prompt: For a leaderboard: score_at_rank(scores, rank) returns the score at a rank, with rank 1 the highest score. A rank that does not exist has to raise an IndexError.
# test: score_at_rank([10, 30, 20], 1) == 30
# test: score_at_rank([10, 30, 20], 3) == 10
# test: score_at_rank([5, 5, 1], 2) == 5
# raises IndexError: score_at_rank([10], 2)
# raises IndexError: score_at_rank([10], 0)
def score_at_rank(scores: list[int], rank: int) -> int:
    """Find the score at a rank.

    Args:
        scores: The scores in any order.
        rank: The rank, counted from one.

    Returns:
        The score at that rank.

    Raises:
        IndexError: If the rank does not exist.

    Example:
        >>> score_at_rank([7, 9, 8], 2)
        8
    """
    if not 1 <= rank <= len(scores):
        raise IndexError("rank must exist")
    return sorted(scores, reverse=True)[rank - 1]
