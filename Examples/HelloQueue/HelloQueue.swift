import Leat
import LeatSQLite

/// Puts its arguments into a queue, and greets whoever is in it: `hello-queue Ada Grace`.
@main
struct HelloQueue {
    static func main() async throws {
        let store = try await SQLiteStore.open("hello.db")
        let names = try await store.queue("names", of: String.self)
        try await names.put(contentsOf: CommandLine.arguments.dropFirst())

        for try await name in names.items(for: .seconds(30), whenEmpty: .end) {
            print("Hello, \(name.value)!")
            try await name.acknowledge()
        }
    }
}
