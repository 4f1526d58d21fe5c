"""Reads a flight's line and joins it with its airline, its airports, its plane and the weather of the hour."""
import functools
import os
import re

from leat_stage import Dead, stage


def table(name):
    with open(f"{os.environ['DATA']}/{name}.csv", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield line.rstrip("\n").split(",")


def integer(text):
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None


def decimal(text):
    return None if text == "NA" else float(text)


@functools.cache
def reference():
    """Read once a process, when it is first asked for."""
    return (
        {row[0]: row[1] for row in table("airlines")},
        {row[0]: row[1] for row in table("airports")},
        {row[0]: [row[3], row[4], integer(row[1]), integer(row[6])] for row in table("planes")},
        {(row[0], row[14]): [decimal(row[i]) for i in (5, 9, 11, 13)] for row in table("weather")},
    )


def enrich(item):
    month, number, text = item.body.split("\t", 2)
    columns = text.split(",")

    def malformed(what):
        return Dead(f"{month}, line {number}: {what}.")

    def optional(index, name):
        value = None if columns[index] == "NA" else integer(columns[index])
        if value is None and columns[index] != "NA":
            raise malformed(f"{name} is '{columns[index]}', which is no number")
        return value

    def required(index, name):
        value = optional(index, name)
        if value is None:
            raise malformed(f"{name} is missing")
        return value

    def airport(index, name):
        if not re.fullmatch("[A-Z0-9]{3}", columns[index]):
            raise malformed(f"{name} is '{columns[index]}', which is no airport's code")
        return columns[index]

    if len(columns) != 19:
        raise malformed(f"{len(columns)} fields where 19 were expected")
    time = optional(3, "dep_time")
    if time is not None and not (0 <= time <= 2400 and time % 100 < 60):
        raise malformed(f"dep_time is {time}, which no clock shows")
    departure_delay, arrival_delay = optional(5, "dep_delay"), optional(8, "arr_delay")
    carrier, flight = columns[9], required(10, "flight")
    tail = None if columns[11] == "NA" else columns[11]
    origin, destination = airport(12, "origin"), airport(13, "dest")
    air_time, distance = optional(14, "air_time"), required(15, "distance")
    hour, hour_utc = required(16, "hour"), columns[18]

    airlines, airports, planes, weather = reference()
    airline, plane = airlines.get(carrier), planes.get(tail, [None] * 4)
    temperature, *wind_to_visibility = weather.get((origin, hour_utc), [None] * 4)
    start = [month, int(number), hour_utc, hour, carrier, airline, flight]
    if time is None:  # it never left
        yield {"queue": "never_left", "body": start + [origin, destination] + wind_to_visibility}
    else:
        places = [origin, airports.get(origin), destination, airports.get(destination)]
        figures = [departure_delay, arrival_delay, air_time, distance]
        yield {
            "queue": "departed",
            "body": start + [tail] + places + figures + plane + [temperature] + wind_to_visibility,
        }


stage(enrich)
