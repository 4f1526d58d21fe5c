import GRDB
import Leat
import LeatCLI
import LeatSQLite

func square(_ number: Int) -> Int { number * number }

func store(_ db: Database, _ square: Int) throws {
    try db.execute(sql: "INSERT INTO square VALUES (?)", arguments: [square])
}

@main
struct Squares: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            try Pipeline("squares") {
                Producer("count", to: "numbers", repeating: { 1...1000 })
                Transformer("square", from: "numbers", to: "squares", square).workers(2)
                Consumer("store", from: "squares", database: store)
                    .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS square (value INTEGER)") }
            }
        }
    }
}
