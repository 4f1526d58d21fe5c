import Foundation
import GRDB
import Leat
import LeatCLI
import LeatSQLite

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Asks an HTTP API about each customer, at the rate that it allows, and keeps the answers:
/// `api-enrichment run --param api=http://127.0.0.1:8080 --param customers=1000`.
@main
struct ApiEnrichment: PipelineProgram {
    static var pipeline: Pipeline {
        get throws { try pipeline(with: ["api": "http://127.0.0.1:8080", "customers": "200", "rate": "50"]) }
    }

    static func pipeline(with parameters: Parameters) throws -> Pipeline {
        let api = try ScoreAPI(base: parameters["api"])
        let customers = try Int(parameters["customers"]) ?? 0
        let rate = try Int(parameters["rate"]) ?? 50
        return try Pipeline("enrichment", parameters: parameters) {
            Producer("customers", to: "customers", repeating: { 0..<customers })
            Transformer("ask", from: "customers", to: "scores") { (customer: Int) -> Score? in
                // The same key at every attempt: an answer that was lost on the way is not charged again.
                try await api.score(of: customer, key: ItemContext.current?.idempotencyKey ?? "")
            }
            .workers(2).concurrency(8).rate(Rate(rate, per: .seconds(1)))
            .retry(RetryPolicy(attempts: 6, base: .milliseconds(100), cap: .seconds(5)))
            Consumer(
                "keep", from: "scores",
                database: { (db, score: Score) in
                    try db.execute(
                        sql: "INSERT INTO score VALUES (?, ?)", arguments: [score.customer, score.points])
                }
            )
            .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS score (customer INTEGER, points INTEGER)") }
        }
    }
}

struct Score: Codable, Sendable {
    var customer: Int
    var points: Int
}

/// The API as its users see it, and what its answers mean for an item.
struct ScoreAPI: Sendable {
    let base: String
    private let session: URLSession

    init(base: String) {
        self.base = base
        let configuration = URLSessionConfiguration.ephemeral
        // Shorter than the stage's timeout, which would end the process.
        configuration.timeoutIntervalForRequest = 2
        session = URLSession(configuration: configuration)
    }

    func score(of customer: Int, key: String) async throws -> Score? {
        guard let url = URL(string: "\(base)/score/\(customer)") else { throw PermanentError("'\(base)' is no URL.") }
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        request.setValue(key, forHTTPHeaderField: "Idempotency-Key")
        let (data, response) = try await session.data(for: request)
        guard let answer = response as? HTTPURLResponse else { throw PermanentError("That was no HTTP.") }
        switch answer.statusCode {
        case 200: return try JSONDecoder().decode(Score.self, from: data)
        case 404: throw PermanentError("Nobody knows customer \(customer).")
        case 429, 503:
            // Not the customer's fault, so no attempt is spent on it.
            // What others ask for is bounded, whatever it is.
            let seconds = answer.value(forHTTPHeaderField: "Retry-After").flatMap { Double($0) } ?? 1
            let wait = seconds.isFinite ? min(max(seconds, 0), 3600) : 1
            throw RetryError("\(answer.statusCode), come back in \(wait) s", .postpone(.seconds(wait)))
        default: throw RetryError("The API answered \(answer.statusCode).", .backOff)
        }
    }
}
