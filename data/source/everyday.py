# prompt: Write a Python function tip_amount(bill, percent) that returns the tip for a bill rounded to two decimals. A negative bill should raise a ValueError.
# test: tip_amount(50.0, 10) == 5.0
# test: tip_amount(19.99, 15) == 3.0
# raises ValueError: tip_amount(-1.0, 10)
def tip_amount(bill: float, percent: int) -> float:
    """Compute the tip for a bill.

    Args:
        bill: The bill to pay.
        percent: The percent to add.

    Returns:
        The tip with two decimals.

    Raises:
        ValueError: If the bill is negative.

    Example:
        >>> tip_amount(50.0, 10)
        5.0
    """
    if bill < 0:
        raise ValueError("bill must not be negative")
    return round(bill * percent / 100, 2)


# prompt: I plan meals: serving_size(grams, people) shall divide an amount evenly and return the grams a person as a float; zero or fewer people must give a ValueError.
# test: serving_size(500, 4) == 125.0
# test: serving_size(0, 2) == 0.0
# raises ValueError: serving_size(100, 0)
def serving_size(grams: int, people: int) -> float:
    """Divide an amount of food evenly.

    Args:
        grams: The amount in grams.
        people: The number of people.

    Returns:
        The grams a person.

    Raises:
        ValueError: If people is not positive.

    Example:
        >>> serving_size(500, 4)
        125.0
    """
    if people <= 0:
        raise ValueError("people must be positive")
    return grams / people


# prompt: traffic light: next_light("green") is "yellow", then "red", then "green" again. any other color -> ValueError
# test: next_light("green") == "yellow"
# test: next_light("red") == "green"
# raises ValueError: next_light("blue")
def next_light(color: str) -> str:
    """Find the color that a traffic light shows next.

    Args:
        color: The color shown now.

    Returns:
        The next color.

    Raises:
        ValueError: If the color is unknown.

    Example:
        >>> next_light("green")
        'yellow'
    """
    order = ["green", "yellow", "red"]
    if color not in order:
        raise ValueError("color is unknown")
    return order[(order.index(color) + 1) % 3]


# prompt: Can you write ticket_price(age)? Children under 6 are free (0), under 18 pay 5, everybody else 9.
# test: ticket_price(3) == 0
# test: ticket_price(6) == 5
# test: ticket_price(18) == 9
def ticket_price(age: int) -> int:
    """Find the price of a ticket.

    Args:
        age: The age in years.

    Returns:
        The price to pay.

    Example:
        >>> ticket_price(6)
        5
    """
    if age < 6:
        return 0
    return 5 if age < 18 else 9


# prompt: How to count the work days in a list of day names? count_workdays(days) should skip "Sat" and "Sun".
# test: count_workdays(["Mon", "Sat", "Tue"]) == 2
# test: count_workdays(["Sun"]) == 0
# test: count_workdays([]) == 0
def count_workdays(days: list[str]) -> int:
    """Count the days that are not on a weekend.

    Args:
        days: The short names of days.

    Returns:
        The number of work days.

    Example:
        >>> count_workdays(["Mon", "Sat", "Tue"])
        2
    """
    return sum(day not in ("Sat", "Sun") for day in days)


# prompt: Write library_fine(days_late, fee_per_day, maximum): days times fee, but never more than the maximum and never below zero.
# test: library_fine(3, 2, 10) == 6
# test: library_fine(9, 2, 10) == 10
# test: library_fine(-1, 2, 10) == 0
def library_fine(days_late: int, fee_per_day: int, maximum: int) -> int:
    """Compute the fine for a late book.

    Args:
        days_late: The days after the due date.
        fee_per_day: The fee for each day.
        maximum: The most to pay.

    Returns:
        The fine to pay.

    Example:
        >>> library_fine(3, 2, 10)
        6
    """
    return max(0, min(days_late * fee_per_day, maximum))


# prompt: Our garden app needs needs_water(moisture, threshold, raining): True if the moisture is below the threshold and it is not raining.
# test: needs_water(20, 30, False) is True
# test: needs_water(20, 30, True) is False
# test: needs_water(30, 30, False) is False
def needs_water(moisture: int, threshold: int, raining: bool) -> bool:
    """Decide whether a plant needs water.

    Args:
        moisture: The moisture of the soil.
        threshold: The least moisture wanted.
        raining: Whether it rains.

    Returns:
        True if watering is needed.

    Example:
        >>> needs_water(20, 30, False)
        True
    """
    return moisture < threshold and not raining


# prompt: Write battery_label(percent) returning "low" below 20, "ok" below 80 and "full" from 80 on. Anything outside 0 to 100 should raise ValueError.
# test: battery_label(10) == "low"
# test: battery_label(79) == "ok"
# test: battery_label(80) == "full"
# raises ValueError: battery_label(101)
def battery_label(percent: int) -> str:
    """Describe the charge of a battery.

    Args:
        percent: The charge in percent.

    Returns:
        The label of the charge.

    Raises:
        ValueError: If percent is not from 0 to 100.

    Example:
        >>> battery_label(10)
        'low'
    """
    if not 0 <= percent <= 100:
        raise ValueError("percent must be from 0 to 100")
    if percent < 20:
        return "low"
    return "ok" if percent < 80 else "full"


# prompt: make a function that deals cards: deal_cards(cards, players) gives a list of hands, cards dealt in turn one by one. players below 1 is a ValueError
# test: deal_cards([1, 2, 3, 4, 5], 2) == [[1, 3, 5], [2, 4]]
# test: deal_cards([], 2) == [[], []]
# raises ValueError: deal_cards([1], 0)
def deal_cards(cards: list[int], players: int) -> list[list[int]]:
    """Deal cards in turn to players.

    Args:
        cards: The cards in order.
        players: The number of players.

    Returns:
        The hand of each player.

    Raises:
        ValueError: If players is below 1.

    Example:
        >>> deal_cards([1, 2, 3, 4, 5], 2)
        [[1, 3, 5], [2, 4]]
    """
    if players < 1:
        raise ValueError("players must be at least 1")
    return [cards[player::players] for player in range(players)]


# prompt: Write `meeting_fits(start, end, busy)`: start and end are hours, busy is a list of (start, end) tuples; True if the meeting overlaps none of them.
# test: meeting_fits(9, 10, [(10, 12)]) is True
# test: meeting_fits(9, 11, [(10, 12)]) is False
# test: meeting_fits(1, 2, []) is True
def meeting_fits(start: int, end: int, busy: list[tuple[int, int]]) -> bool:
    """Check whether a meeting fits in.

    Args:
        start: The hour it starts.
        end: The hour it ends.
        busy: The hours already taken.

    Returns:
        True if nothing overlaps.

    Example:
        >>> meeting_fits(9, 10, [(10, 12)])
        True
    """
    return all(end <= taken_from or start >= taken_to for taken_from, taken_to in busy)


# prompt: I want to know how many boxes I need: boxes_needed(items, per_box), rounded up. If per_box is not positive raise a ValueError.
# test: boxes_needed(10, 4) == 3
# test: boxes_needed(0, 4) == 0
# raises ValueError: boxes_needed(5, 0)
def boxes_needed(items: int, per_box: int) -> int:
    """Count the boxes for some items.

    Args:
        items: The number of items.
        per_box: The items that fit in a box.

    Returns:
        The number of boxes.

    Raises:
        ValueError: If per_box is not positive.

    Example:
        >>> boxes_needed(10, 4)
        3
    """
    if per_box <= 0:
        raise ValueError("per_box must be positive")
    return -(-items // per_box)


# prompt: Write grade_letter(points): 90 and more is "A", 75 and more "B", 60 and more "C", else "F".
# test: grade_letter(95) == "A"
# test: grade_letter(75) == "B"
# test: grade_letter(10) == "F"
def grade_letter(points: int) -> str:
    """Turn points into a letter grade.

    Args:
        points: The points reached.

    Returns:
        The letter grade.

    Example:
        >>> grade_letter(95)
        'A'
    """
    for limit, letter in ((90, "A"), (75, "B"), (60, "C")):
        if points >= limit:
            return letter
    return "F"


# prompt: What's a good way to format a duration of minutes as hours and minutes? duration_label(135) == "2h 15m"
# test: duration_label(135) == "2h 15m"
# test: duration_label(5) == "0h 5m"
# test: duration_label(60) == "1h 0m"
def duration_label(minutes: int) -> str:
    """Write minutes as hours and minutes.

    Args:
        minutes: The duration in minutes.

    Returns:
        The duration as text.

    Example:
        >>> duration_label(135)
        '2h 15m'
    """
    hours, rest = divmod(minutes, 60)
    return f"{hours}h {rest}m"


# prompt: Please write can_afford(wallet, prices), which tells if the money in the wallet is enough for all the prices in a list together.
# test: can_afford(10, [3, 4]) is True
# test: can_afford(5, [3, 4]) is False
# test: can_afford(0, []) is True
def can_afford(wallet: int, prices: list[int]) -> bool:
    """Check whether the money is enough.

    Args:
        wallet: The money at hand.
        prices: The prices to pay.

    Returns:
        True if all can be paid.

    Example:
        >>> can_afford(10, [3, 4])
        True
    """
    return sum(prices) <= wallet


# prompt: Implement `laps_to_distance(laps: int, lap_length: int) -> float` giving kilometres from laps of a length in metres. Negative laps must raise a ValueError.
# test: laps_to_distance(5, 400) == 2.0
# test: laps_to_distance(0, 400) == 0.0
# raises ValueError: laps_to_distance(-1, 400)
def laps_to_distance(laps: int, lap_length: int) -> float:
    """Convert laps to kilometres.

    Args:
        laps: The number of laps.
        lap_length: The length of a lap in metres.

    Returns:
        The distance in kilometres.

    Raises:
        ValueError: If laps is negative.

    Example:
        >>> laps_to_distance(5, 400)
        2.0
    """
    if laps < 0:
        raise ValueError("laps must not be negative")
    return laps * lap_length / 1000


# prompt: who is in front of me in the queue? people_ahead(queue, name) returns the names before mine as a list. if i'm not in the queue: ValueError
# test: people_ahead(["a", "b", "c"], "c") == ["a", "b"]
# test: people_ahead(["x"], "x") == []
# raises ValueError: people_ahead([], "a")
def people_ahead(queue: list[str], name: str) -> list[str]:
    """List the people ahead in a queue.

    Args:
        queue: The names in the queue.
        name: The name to look for.

    Returns:
        The names before it.

    Raises:
        ValueError: If the name is not in the queue.

    Example:
        >>> people_ahead(["a", "b", "c"], "c")
        ['a', 'b']
    """
    if name not in queue:
        raise ValueError("name is not in the queue")
    return queue[: queue.index(name)]


# prompt: Write bmi_label(value) for a body mass index: below 18.5 "under", below 25 "normal", otherwise "over".
# test: bmi_label(17.0) == "under"
# test: bmi_label(18.5) == "normal"
# test: bmi_label(25.0) == "over"
def bmi_label(value: float) -> str:
    """Name the class of a body mass index.

    Args:
        value: The body mass index.

    Returns:
        The name of the class.

    Example:
        >>> bmi_label(17.0)
        'under'
    """
    if value < 18.5:
        return "under"
    if value < 25:
        return "normal"
    return "over"


# prompt: I need a tiny calculator: calculate(first, operator, second) for "+", "-" and "*"; other operators should raise a ValueError.
# test: calculate(2, "+", 3) == 5
# test: calculate(2, "*", 3) == 6
# test: calculate(2, "-", 3) == -1
# raises ValueError: calculate(2, "?", 3)
def calculate(first: int, operator: str, second: int) -> int:
    """Calculate with two numbers.

    Args:
        first: The number on the left.
        operator: The sign between them.
        second: The number on the right.

    Returns:
        The result.

    Raises:
        ValueError: If the operator is unknown.

    Example:
        >>> calculate(2, "+", 3)
        5
    """
    if operator not in ("+", "-", "*"):
        raise ValueError("operator is unknown")
    results = {"+": first + second, "-": first - second, "*": first * second}
    return results[operator]


# prompt: Write a function `page_count(entries, per_page)` for a website: how many pages do so many entries fill? There is always at least one page.
# test: page_count(25, 10) == 3
# test: page_count(20, 10) == 2
# test: page_count(0, 10) == 1
def page_count(entries: int, per_page: int) -> int:
    """Count the pages for some entries.

    Args:
        entries: The number of entries.
        per_page: The entries a page.

    Returns:
        The number of pages.

    Example:
        >>> page_count(25, 10)
        3
    """
    full, left = divmod(entries, per_page)
    return max(1, full + (left > 0))


# prompt: clamp a value: keep_in_range(value, low, high) -> value, but at least low and at most high. low above high is a ValueError
# test: keep_in_range(5, 1, 3) == 3
# test: keep_in_range(-2, 0, 9) == 0
# raises ValueError: keep_in_range(1, 5, 2)
def keep_in_range(value: int, low: int, high: int) -> int:
    """Keep a value between two limits.

    Args:
        value: The value to limit.
        low: The least value.
        high: The largest value.

    Returns:
        The limited value.

    Raises:
        ValueError: If low is above high.

    Example:
        >>> keep_in_range(5, 1, 3)
        3
    """
    if low > high:
        raise ValueError("low must not be above high")
    return max(low, min(value, high))


# prompt: How do I tell the shipping cost from a weight in grams? shipping_cost(grams): up to 500 costs 3, up to 2000 costs 6, more costs 12.
# test: shipping_cost(500) == 3
# test: shipping_cost(501) == 6
# test: shipping_cost(5000) == 12
def shipping_cost(grams: int) -> int:
    """Find the cost of shipping a parcel.

    Args:
        grams: The weight in grams.

    Returns:
        The cost of shipping.

    Example:
        >>> shipping_cost(500)
        3
    """
    if grams <= 500:
        return 3
    return 6 if grams <= 2000 else 12


# prompt: Write a function that says how full a bus is: bus_load(passengers, seats) in whole percent, rounded down. No seats at all should raise a ValueError.
# test: bus_load(10, 40) == 25
# test: bus_load(1, 3) == 33
# raises ValueError: bus_load(1, 0)
def bus_load(passengers: int, seats: int) -> int:
    """Compute how full a bus is.

    Args:
        passengers: The passengers on the bus.
        seats: The seats of the bus.

    Returns:
        The load in percent.

    Raises:
        ValueError: If there are no seats.

    Example:
        >>> bus_load(10, 40)
        25
    """
    if seats == 0:
        raise ValueError("seats must not be zero")
    return passengers * 100 // seats


# prompt: For my weather page: describe_wind(speed) gives "calm" below 5, "breeze" below 20 and "storm" from there on.
# test: describe_wind(2) == "calm"
# test: describe_wind(5) == "breeze"
# test: describe_wind(20) == "storm"
def describe_wind(speed: int) -> str:
    """Describe the strength of the wind.

    Args:
        speed: The speed of the wind.

    Returns:
        The name of its strength.

    Example:
        >>> describe_wind(5)
        'breeze'
    """
    if speed < 5:
        return "calm"
    return "breeze" if speed < 20 else "storm"


# prompt: write alternate_turns(players, rounds): whose turn is it? a list of names that repeats the players in order until there are `rounds` names
# test: alternate_turns(["a", "b"], 3) == ["a", "b", "a"]
# test: alternate_turns(["x"], 2) == ["x", "x"]
# test: alternate_turns(["a"], 0) == []
def alternate_turns(players: list[str], rounds: int) -> list[str]:
    """List whose turn it is.

    Args:
        players: The players in order.
        rounds: The number of turns.

    Returns:
        The name for each turn.

    Example:
        >>> alternate_turns(["a", "b"], 3)
        ['a', 'b', 'a']
    """
    return [players[turn % len(players)] for turn in range(rounds)]


# prompt: Function `step_goal_reached(steps, goal)` over a week: count the days in a list of steps that reached the goal.
# test: step_goal_reached([9000, 12000], 10000) == 1
# test: step_goal_reached([], 1) == 0
# test: step_goal_reached([5, 5], 5) == 2
def step_goal_reached(steps: list[int], goal: int) -> int:
    """Count the days that reached a goal.

    Args:
        steps: The steps of each day.
        goal: The steps to reach.

    Returns:
        The number of such days.

    Example:
        >>> step_goal_reached([9000, 12000], 10000)
        1
    """
    days = 0
    for count in steps:
        if count >= goal:
            days += 1
    return days


# prompt: I need a price with discount: discounted(price, percent) returns the price less so many percent as a float. A percent outside 0 to 100 must raise a ValueError.
# test: discounted(200, 25) == 150.0
# test: discounted(10, 0) == 10.0
# raises ValueError: discounted(10, 101)
def discounted(price: float, percent: float) -> float:
    """Reduce a price by a percent.

    Args:
        price: The full price.
        percent: The percent to take off.

    Returns:
        The reduced price.

    Raises:
        ValueError: If percent is not from 0 to 100.

    Example:
        >>> discounted(200, 25)
        150.0
    """
    if not 0 <= percent <= 100:
        raise ValueError("percent must be from 0 to 100")
    return price * (100 - percent) / 100
