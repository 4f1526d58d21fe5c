/// The pipeline file that `leat init` writes.
package enum Starter {
    /// The text, which is read and run as it is wherever there are `seq`, `awk` and `sort`.
    ///
    /// - Parameter file: its name, for what its comments tell to type.
    package static func text(for file: String) -> String { template.replacing("FILE", with: file) }

    // The modeline of editors stands behind a second sign, so that none looks for a schema that is not there yet.
    private static let template = """
        # A pipeline: commands, and the queues between them.
        #
        #   leat validate FILE      says what it promises
        #   leat run FILE           runs it; killed, the same command goes on where it was
        #   leat schema > leat.schema.json
        #                           lets an editor complete and check keys, with this as the first line:
        #                           # yaml-language-server: $schema=leat.schema.json

        name: squares               # of the database, too: squares.db
        description: The squares of some numbers, in a file.

        # What one run is about. A command finds `last` in the variable LAST. `leat run FILE --param last=20` gives
        # another value; a parameter without a default (`last:`) must be given.
        params:
          last: 100

        stages:
          # A producer has no input; each line that its command writes is an item.
          numbers:
            description: The numbers from 1 on
            # A command is a list, [seq, "100"], that no shell looks at, or a line for the shell. Parameters are never put into
            # the line itself, so nothing in them can be taken for a command: name their variables, in quotes.
            produce: {shell: 'seq "$LAST"'}
            to: number              # a queue: to: [a, b] puts each line into both
            cursor: line            # resumed, the lines that were put before are compared and left out; or own, key, none

          # A transformer is given items, and what it writes are new ones. Its command runs once for each item, which stands
          # on its standard input. Exit 0: done. 65: never try again. 75: try later. Any other: a failed attempt.
          square:
            transform: [awk, '{ print $1 * $1 }']
            from: number
            to: square
            # mode: batch           # one process for up to `batch` lines, which is faster; or stream, ack
            workers: 2              # processes that share the items
            timeout: 10s            # of one item, ended and tried again after that
            retry: 3                # attempts, then it is a dead letter: leat dead squares.db
            max_dead: 1%            # more of them and the stage has failed
            # rate: 50/s            # at most so many begin, all workers together
            # env: {TOKEN: }        # a variable of whoever runs the pipeline; commands get few others

          # A consumer puts nothing. What it does outside may happen more than once, if it is killed in between: this one
          # writes its whole file anew each time, so that does no harm.
          save:
            consume: {shell: 'sort -n > squares.txt'}
            from: square
            when: closed            # once, with all items, when no more can come; left out: for each item as it comes

        """
}
