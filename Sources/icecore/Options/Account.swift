import ArgumentParser
import Basics
import Glibc

/// Users, groups and modes as they are typed.
enum Account {
    /// The number of a user, given by name or number.
    static func user(_ text: String) throws -> UInt32 {
        try number(text) ?? named(text, "user") { getpwnam($0)?.pointee.pw_uid }
    }

    /// The number of a group, given by name or number.
    static func group(_ text: String) throws -> UInt32 {
        try number(text) ?? named(text, "group") { getgrnam($0)?.pointee.gr_gid }
    }

    /// A mode of permissions, in octal.
    static func umask(_ text: String) throws -> UInt32 {
        guard let mode = UInt32(text, radix: 8), mode <= 0o777, text.utf8.allSatisfy({ (48...55).contains($0) }) else {
            throw ValidationError("'\(Display.line(text))' is not a mode: give octal digits up to 777, such as 027")
        }
        return mode
    }

    private static func number(_ text: String) throws -> UInt32? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        // The largest number means "none" to the kernel.
        guard let number = UInt32(text), number < .max else {
            throw ValidationError("'\(text.prefix(100))' is too large for the number of a user or group")
        }
        return number
    }

    private static func named(_ text: String, _ kind: String, _ find: (String) -> UInt32?) throws -> UInt32 {
        guard let number = find(text) else {
            throw ValidationError("there is no \(kind) '\(Display.line(text))' on this machine")
        }
        return number
    }
}
