import Foundation

/// A folder of one test, removed by it.
struct TemporaryFolder {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "leat-example-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    func write(_ text: String, to name: String) throws {
        let file = folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    /// Copies the folder of an example here, so that what it writes beside its file is left to nobody.
    ///
    /// - Returns: the copy's path.
    func copyOfExample(_ name: String) throws -> String {
        try FileManager.default.copyItem(atPath: exampleFolder(name), toPath: path(name))
        return path(name)
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func remove() {
        // What is left in the system's temporary folder harms nobody.
        try? FileManager.default.removeItem(at: folder)
    }
}

/// The folder of an example in this checkout.
func exampleFolder(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Examples/\(name)").path
}

/// A small year in the layout that Flights reads: in each month every tenth flight is cancelled, and the fifth line of
/// January and of July is malformed.
struct FlightsFolder {
    let folder: TemporaryFolder
    var data: String { folder.path("data") }

    init(flightsAMonth count: Int) throws {
        folder = try TemporaryFolder()
        try folder.write("carrier,name\nUA,United Air Lines Inc.\n", to: "data/airlines.csv")
        try folder.write(
            "faa,name,lat,lon,alt,tz,dst,tzone\nEWR,Newark Liberty Intl,40.6,-74.1,18,-5,A,America/New_York\n",
            to: "data/airports.csv")
        try folder.write(
            """
            tailnum,year,type,manufacturer,model,engines,seats,speed,engine
            N14228,1999,Fixed wing multi engine,BOEING,737-824,2,149,NA,Turbo-fan

            """, to: "data/planes.csv")
        try folder.write(
            """
            origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
            EWR,2013,1,1,5,39.02,26.06,59.37,270,10.357019999999999,NA,0,1012,10,2013-01-01T10:00:00Z

            """, to: "data/weather.csv")
        for month in 1...12 {
            let lines = (1...count).map { Self.line($0, month: month) }
            let name = month < 10 ? "0\(month)" : "\(month)"
            try folder.write(lines.joined(separator: "\n") + "\n", to: "data/flights/2013-\(name).csv")
        }
    }

    private static func line(_ number: Int, month: Int) -> String {
        if number == 5, month % 6 == 1 { return "2013,\(month),1,cut" }
        let start = "2013,\(month),1"
        let end = "EWR,IAH,\(number % 10 == 0 ? "NA" : "227"),1400,5,15,2013-01-01T10:00:00Z"
        return number % 10 == 0
            ? "\(start),NA,515,NA,NA,819,NA,UA,\(number),NA,\(end)"
            : "\(start),517,515,\(number % 60),830,819,\(number % 40 - 7),UA,\(number),N14228,\(end)"
    }

    func remove() { folder.remove() }
}
