internal import Synchronization

/// An aeroplane, from `planes.csv`.
package struct Plane: Sendable, Hashable, Codable {
    package var manufacturer: String
    package var model: String
    package var year: Int?
    package var seats: Int?

    package init(manufacturer: String, model: String, year: Int? = nil, seats: Int? = nil) {
        self.manufacturer = manufacturer
        self.model = model
        self.year = year
        self.seats = seats
    }
}

/// The weather at an airport in one hour, from `weather.csv`.
package struct Weather: Sendable, Hashable, Codable {
    /// In degrees Fahrenheit.
    package var temperature: Double?
    /// In miles an hour.
    package var windSpeed: Double?
    /// In inches.
    package var precipitation: Double?
    /// In miles.
    package var visibility: Double?

    package init(
        temperature: Double? = nil, windSpeed: Double? = nil, precipitation: Double? = nil, visibility: Double? = nil
    ) {
        self.temperature = temperature
        self.windSpeed = windSpeed
        self.precipitation = precipitation
        self.visibility = visibility
    }
}

/// The small tables that flights are joined with.
package struct Reference: Sendable {
    /// Names by carrier code.
    package var airlines: [String: String]
    /// Names by airport code.
    package var airports: [String: String]
    /// By tail number.
    package var planes: [String: Plane]
    private var weather: [Hour: Weather]

    private struct Hour: Hashable {
        var origin: String
        var hourUTC: String
    }

    package init(airlines: [String: String] = [:], airports: [String: String] = [:], planes: [String: Plane] = [:]) {
        self.airlines = airlines
        self.airports = airports
        self.planes = planes
        weather = [:]
    }

    /// Reads `airlines.csv`, `airports.csv`, `planes.csv` and `weather.csv` of a folder: some 30 ms.
    package init(folder: String) throws {
        self.init()
        for row in try rows(of: "\(folder)/airlines.csv") { airlines[String(row[0])] = String(row[1]) }
        for row in try rows(of: "\(folder)/airports.csv") { airports[String(row[0])] = String(row[1]) }
        for row in try rows(of: "\(folder)/planes.csv") {
            planes[String(row[0])] = Plane(
                manufacturer: String(row[3]), model: String(row[4]), year: Int(row[1]), seats: Int(row[6]))
        }
        for row in try rows(of: "\(folder)/weather.csv") {
            self[weatherAt: String(row[0]), String(row[14])] = Weather(
                temperature: Double(row[5]), windSpeed: Double(row[9]), precipitation: Double(row[11]),
                visibility: Double(row[13]))
        }
    }

    package subscript(weatherAt origin: String, hourUTC: String) -> Weather? {
        get { weather[Hour(origin: origin, hourUTC: hourUTC)] }
        set { weather[Hour(origin: origin, hourUTC: hourUTC)] = newValue }
    }
}

/// The reference tables of a folder, read when they are first asked for and once a process.
final class ReferenceFolder: Sendable {
    private let folder: String
    private let loaded = Mutex<Reference?>(nil)

    init(_ folder: String) { self.folder = folder }

    func reference() throws -> Reference {
        try loaded.withLock { loaded in
            if let reference = loaded { return reference }
            let reference = try Reference(folder: folder)
            loaded = reference
            return reference
        }
    }
}
