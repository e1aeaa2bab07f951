import ArgumentParser
import Basics
import Glibc

/// The program: one thin command per file.
@main
struct Icecore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "icecore",
        abstract: "Keep every version of an S3 bucket on your own disk, and open any past date with ls.",
        discussion: """
            Create a store with 'icecore init', fill it with 'icecore sync', and open it with 'icecore mount'.
            Commands find their store by --store, $ICECORE_STORE, or the current directory and its parents.
            """,
        version: "0.1.0",
        subcommands: [
            InitCommand.self, SyncCommand.self, WorkCommand.self, AdoptCommand.self, MountCommand.self,
            ServeCommand.self,
            SnapshotsCommand.self, VersionsCommand.self, ListCommand.self, DiskUsageCommand.self, FindCommand.self,
            CatCommand.self, DiffCommand.self, StatusCommand.self, ExportCommand.self, VerifyCommand.self,
            ReindexCommand.self, PruneCommand.self, PackCommand.self, PushCommand.self, CloneCommand.self,
            RestoreCommand.self,
        ])

    static func main() {
        Console.holdStandardDescriptors()
        Interruption.handleSignals()
        LockWait.hear { Console.noteAboveLine(Display.line($0)) }
        do {
            try Console.checkArguments()
            try Console.checkLimitOfOpenFiles()
            var command = try parseAsRoot()
            try command.run()
        } catch let error as IcecoreError {
            if error.code == .interrupted {
                Console.error(error.message == "interrupted" ? "stopped" : "stopped. \(error.message)")
            } else {
                Console.error(error.description)
            }
            Glibc.exit(error.exitStatus)
        } catch {
            exit(withError: error)
        }
    }
}
