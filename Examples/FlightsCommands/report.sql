-- The delays are whole minutes, whose sums are exact, so the means do not depend on the order of the rows.
.timeout 50000
BEGIN IMMEDIATE;

CREATE TEMP VIEW every_flight AS
SELECT carrier, airline, origin, origin_airport, hour, 1 AS departed, departure_delay, arrival_delay FROM flight
UNION ALL
SELECT carrier, airline, origin, NULL, hour, 0, NULL, NULL FROM cancelled_flight;

DROP TABLE IF EXISTS delay_by_carrier;
CREATE TABLE delay_by_carrier AS
SELECT carrier, max(airline) AS name, sum(departed) AS departed, sum(1 - departed) AS cancelled,
    count(arrival_delay) AS arrived, avg(departure_delay) AS mean_departure_delay,
    avg(arrival_delay) AS mean_arrival_delay
FROM every_flight
GROUP BY carrier;

DROP TABLE IF EXISTS delay_by_origin;
CREATE TABLE delay_by_origin AS
SELECT origin, max(origin_airport) AS name, sum(departed) AS departed, sum(1 - departed) AS cancelled,
    count(arrival_delay) AS arrived, avg(departure_delay) AS mean_departure_delay,
    avg(arrival_delay) AS mean_arrival_delay
FROM every_flight
GROUP BY origin;

DROP TABLE IF EXISTS delay_by_hour;
CREATE TABLE delay_by_hour AS
SELECT hour, NULL AS name, sum(departed) AS departed, sum(1 - departed) AS cancelled,
    count(arrival_delay) AS arrived, avg(departure_delay) AS mean_departure_delay,
    avg(arrival_delay) AS mean_arrival_delay
FROM every_flight
GROUP BY hour;

COMMIT;
