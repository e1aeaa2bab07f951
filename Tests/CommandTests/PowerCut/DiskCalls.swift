import Basics
import Foundation
import Testbed

/// Does to a model of a disk what a traced program did to the disk.
final class DiskCalls {
    /// What a descriptor stands for.
    private final class Handle {
        let node: DiskModel.Inode
        let appends: Bool
        var position = 0
        init(_ node: DiskModel.Inode, appends: Bool) {
            self.node = node
            self.appends = appends
        }
    }

    let disk: DiskModel
    private let ignored: Set<String>
    private var handles: [Int: Handle] = [:]
    /// When the calls began that will make something durable, and of what they will.
    private var began: [Int: (time: Int, handle: Handle?)] = [:]

    /// - Parameter ignored: calls that do nothing, as on a disk that lies.
    init(_ disk: DiskModel, ignoring ignored: Set<String> = []) {
        self.disk = disk
        self.ignored = ignored
    }

    /// What an event was to the disk.
    enum Effect {
        case none, data, name, durability
    }

    func apply(_ event: Trace.CallEvent) throws -> Effect {
        switch event {
        case .begins(let call, let thread):
            guard call.name == "close" else {
                began[thread] = (disk.now, call.arguments.first?.number.flatMap { handles[$0] })
                return .none
            }
            if let descriptor = call.arguments.first?.number { handles[descriptor] = nil }
            return .none
        case .ends(let call, let thread):
            guard let result = call.result, result >= 0 else { return .none }
            disk.tick()
            return try apply(call, result, thread)
        }
    }

    private func apply(_ call: TracedCall, _ result: Int, _ thread: Int) throws -> Effect {
        let arguments = call.arguments
        func handle(_ place: Int) -> Handle? { arguments[place].number.flatMap { handles[$0] } }
        func number(_ place: Int) throws -> Int {
            guard let number = arguments[place].number else { throw unexpected(call) }
            return number
        }
        switch call.name {
        case "close": return .none
        case "open": return try open(call, path(nil, arguments[0]), arguments[1], arguments.dropFirst(2).first, result)
        case "openat":
            return try open(
                call, path(arguments[0], arguments[1]), arguments[2], arguments.dropFirst(3).first, result)
        case "lseek":
            handle(0)?.position = result
            return .none
        case "write", "pwrite64":
            guard let handle = handle(0), let bytes = arguments[1].bytes else { return .none }
            guard !handle.node.isDirectory else { throw unexpected(call) }
            if call.name == "pwrite64" {
                disk.write(Array(bytes.prefix(result)), to: handle.node, at: try number(3))
            } else {
                if handle.appends { handle.position = handle.node.size }
                disk.write(Array(bytes.prefix(result)), to: handle.node, at: handle.position)
                handle.position += result
            }
            return .data
        case "ftruncate": return resize(handle(0), to: try number(1))
        case "fallocate":
            if arguments[1].has("FALLOC_FL_KEEP_SIZE") { return .none }
            return resize(handle(0), to: max(handle(0)?.node.size ?? 0, try number(2) + number(3)))
        case "fchmod", "chmod":
            let node = call.name == "chmod" ? disk.node(try path(nil, arguments[0])) : handle(0)?.node
            node?.mode = mode(arguments[1])
            return .none
        case "ioctl": return try clone(call)
        case "mkdir", "mkdirat":
            let place = call.name == "mkdir" ? 0 : 1
            guard let found = disk.place(try path(place == 0 ? nil : arguments[0], arguments[place])) else {
                return .none
            }
            let directory = DiskModel.Inode(isDirectory: true, mode: mode(arguments[place + 1]))
            disk.setName(found.name, in: found.directory, to: directory)
            return .name
        case "unlink", "rmdir": return remove(try path(nil, arguments[0]))
        case "unlinkat": return remove(try path(arguments[0], arguments[1]))
        case "rename": return try rename(try path(nil, arguments[0]), try path(nil, arguments[1]))
        case "renameat", "renameat2":
            return try rename(try path(arguments[0], arguments[1]), try path(arguments[2], arguments[3]))
        case "link": return try link(try path(nil, arguments[0]), try path(nil, arguments[1]))
        case "linkat": return try link(try path(arguments[0], arguments[1]), try path(arguments[2], arguments[3]))
        case "fsync", "fdatasync", "syncfs", "sync":
            guard let began = began.removeValue(forKey: thread), !ignored.contains(call.name) else { return .none }
            if call.name == "sync" {
                disk.synchronizeAll(until: began.time)
            } else if let handle = began.handle {
                if call.name == "syncfs" {
                    disk.synchronizeAll(until: began.time)
                } else {
                    disk.synchronize(handle.node, until: began.time)
                }
            } else {
                return .none
            }
            return .durability
        case "mmap":
            // What is written to memory is in no trace. SQLite's file of locks may be lost.
            let isWritten = arguments[2].has("PROT_WRITE") && arguments[3].has("MAP_SHARED")
            if isWritten, handle(4) != nil, arguments[4].path?.hasSuffix("-shm") != true { throw unexpected(call) }
            return .none
        default:
            // Nothing of the kind is expected of the files that matter.
            let touches = arguments.contains { argument in
                argument.number.map { handles[$0] != nil && argument.path != nil } ?? false
                    || argument.string.map { disk.place($0) != nil } ?? false
            }
            if touches { throw unexpected(call) }
            return .none
        }
    }

    private func resize(_ handle: Handle?, to size: Int) -> Effect {
        guard let handle else { return .none }
        disk.resize(handle.node, to: size)
        return .data
    }

    private func unexpected(_ call: TracedCall) -> TestbedError {
        TestbedError("the model of the disk does not know \(call.name)(\(call.arguments.map(\.text)))")
    }

    // MARK: - Calls

    private func path(_ directory: TracedCall.Argument?, _ argument: TracedCall.Argument) throws -> String {
        guard let path = argument.string else { throw TestbedError("a path is missing: \(argument.text)") }
        if path.hasPrefix("/") { return path }
        return "\(directory?.path ?? "")/\(path)"
    }

    private func mode(_ argument: TracedCall.Argument) -> mode_t {
        mode_t(argument.text, radix: 8) ?? 0o644
    }

    private func open(
        _ call: TracedCall, _ path: String, _ flags: TracedCall.Argument, _ mode: TracedCall.Argument?, _ result: Int
    ) throws -> Effect {
        let permissions = mode.map { self.mode($0) } ?? 0o644
        // Whatever the number stood for is closed.
        handles[result] = nil
        if flags.has("O_TMPFILE") {
            guard disk.node(path) != nil else { return .none }
            handles[result] = Handle(DiskModel.Inode(isDirectory: false, mode: permissions), appends: false)
            return .none
        }
        if let node = disk.node(path) {
            handles[result] = Handle(node, appends: flags.has("O_APPEND"))
            guard flags.has("O_TRUNC") else { return .none }
            disk.resize(node, to: 0)
            return .data
        }
        guard let place = disk.place(path) else { return .none }
        guard flags.has("O_CREAT") else { throw unexpected(call) }
        let node = DiskModel.Inode(isDirectory: false, mode: permissions)
        handles[result] = Handle(node, appends: flags.has("O_APPEND"))
        disk.setName(place.name, in: place.directory, to: node)
        return .name
    }

    private func clone(_ call: TracedCall) throws -> Effect {
        guard let handle = call.arguments[0].number.flatMap({ handles[$0] }) else { return .none }
        guard call.arguments[1].has("FICLONE") || call.arguments[1].has("BTRFS_IOC_CLONE"),
            let source = call.arguments[2].path
        else { throw unexpected(call) }
        disk.write(try Files.read(source, limit: 1 << 28), to: handle.node, at: 0)
        return .data
    }

    private func remove(_ path: String) -> Effect {
        guard let place = disk.place(path) else { return .none }
        disk.setName(place.name, in: place.directory, to: nil)
        return .name
    }

    private func rename(_ old: String, _ new: String) throws -> Effect {
        switch (disk.place(old), disk.place(new)) {
        case (nil, nil): return .none
        case (let from?, let to?):
            guard let node = from.directory.entries[from.name] else { fallthrough }
            disk.setName(from.name, in: from.directory, to: nil)
            disk.setName(to.name, in: to.directory, to: node)
            return .name
        default: throw TestbedError("the model of the disk does not know where '\(old)' went, which is '\(new)' now")
        }
    }

    private func link(_ old: String, _ new: String) throws -> Effect {
        guard let place = disk.place(new) else { return .none }
        let node: DiskModel.Inode
        if old.hasPrefix("/proc/self/fd/"), let handle = Int(old.dropFirst(14)).flatMap({ handles[$0] }) {
            node = handle.node
        } else if let known = disk.node(old) {
            node = known
        } else {
            node = try DiskModel.importing(old)
        }
        disk.setName(place.name, in: place.directory, to: node)
        return .name
    }
}
