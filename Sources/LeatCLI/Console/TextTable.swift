internal import Leat
internal import LeatSupervisor

/// Rows in columns, for people. Every cell is escaped, so that no text from outside reaches the terminal as it is.
struct TextTable {
    private var rows: [[Cell]]

    /// A cell's text, and whether it is a number, which stands on the right.
    struct Cell {
        let text: String
        let isNumber: Bool
    }

    init(_ head: [String]) { rows = [head.map { Cell(text: $0, isNumber: false) }] }

    mutating func add(_ cells: [any CustomStringConvertible]) {
        rows.append(
            cells.map { cell in
                if let number = cell as? any BinaryInteger {
                    return Cell(text: grouped(Int64(number)), isNumber: true)
                }
                return Cell(text: printable("\(cell)"), isNumber: false)
            })
    }

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].text.count }.max() ?? 0 }
        let lines = rows.enumerated().map { index, row in
            row.enumerated().map { column, cell in
                // A head stands over its numbers.
                let isRight = index == 0 ? rows.dropFirst().first?[column].isNumber ?? false : cell.isNumber
                let blanks = String(repeating: " ", count: widths[column] - cell.text.count)
                return isRight ? blanks + cell.text : cell.text + blanks
            }.joined(separator: "  ").withoutTrailingBlanks
        }
        return lines.joined(separator: "\n")
    }
}
