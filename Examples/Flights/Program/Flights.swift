internal import FlightsPipeline
internal import Leat
internal import LeatCLI

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// `flights run`, `flights worker STAGE`, `flights status`, `flights verify`.
@main
struct Flights: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            return try flightsPipeline(
                data: environment["FLIGHTS_DATA"] ?? ".demo/slice",
                shots: Shots(folder: environment["FLIGHTS_SHOTS"])
            )
        }
    }
}
