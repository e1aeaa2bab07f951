import CLinux

extension File {
    /// Makes an empty file share this one's blocks (a reflink, `FICLONE`). False: it could not, and errno says why;
    /// most file systems cannot.
    public borrowing func clone(to target: Int32) -> Bool {
        File.clone(descriptor, to: target)
    }

    /// The same for a descriptor.
    public static func clone(_ source: Int32, to target: Int32) -> Bool {
        icecore_clone(source, target) == 0
    }
}
