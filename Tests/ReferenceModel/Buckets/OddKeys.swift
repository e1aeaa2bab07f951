/// Keys to test with.
public enum OddKeys {
    /// Keys that real buckets allow and that programs trip over: what URLs, CSV, file systems, shells and terminals
    /// treat in a way of their own, and names that mounts use themselves.
    public static let odd: [ByteString] = [
        "with space", "with+plus", "with%41percent", "with%2Fslash", "what?query=1", "fragment#1", "a&b=c;d",
        "\"quoted\"", "'single'", "back\\slash", "comma,comma", "new\nline", "carriage\r\nreturn", "tab\there",
        "bell\u{7}", "delete\u{7f}", "🧊/⛏️ core", "caf\u{e9}", "cafe\u{301}", "ÅNGSTRÖM", "ångström", "\u{feff}bom",
        "/leading", "//two leading", "double//inside", "double/", "triple///", "/", "//", "///x", ".", "..", "./x",
        "../x", "../../etc/passwd", "dots/.", "dots/..", "dots/../up", "dots/./same", "trailing.", "-dash", "--json",
        "~tilde", "*star", "[bracket]", "{brace}", "$HOME", "`tick`", "|pipe", "<less>", ":colon", "con", "NUL",
        ".icecore-empty", ".icecore-dot", ".icecore-dotdot", ".icecore-object", ".icecore-esc-empty", ".icecore-",
        ".icecore", ".icecore-esc-", "dots/.icecore-object", "double/.icecore-empty", ".icecore-object/x",
        ".icecore-long-0000000000000000000000000000000000000000000000000000000000000000",
        "latest", "at/latest", "versions/x", "2024-03-01T01:00:00Z_x", "times/2024-03-01T01:00:00Z_null", "times",
        "times/.icecore-2024-03-01T01:00:00Z_null", "times/.icecore-esc-2024-03-01T01:00:00Z_null",
        "times/2024-03-01T01:00:00Z", "2024-03-01T01-00Z", "manifest.json", "data/x.csv.gz",
        ByteString(String(repeating: "l", count: 255)), ByteString(String(repeating: "l", count: 256)),
        ByteString("long/" + String(repeating: "c", count: 300)),
        ByteString("long/" + String(repeating: "c", count: 300) + "/below"),
        ByteString(".icecore-" + String(repeating: "e", count: 246)),
        ByteString(".icecore-" + String(repeating: "e", count: 242)),
        ByteString(String(repeating: "é", count: 128)),
        ByteString(String(repeating: "0123456/", count: 128)),
        ByteString(String(repeating: "k", count: 1024)),
        ByteString(String(repeating: "/", count: 40)),
    ]

    /// Keys that some servers refuse, and that no command line can name.
    public static let withNUL: [ByteString] = ["nul\0byte", "nul\0", "\0", "dir\0/x"]

    /// Families of keys that get in each other's way: prefixes, neighbours in byte order, files that become
    /// directories and back.
    public static let flipping: [[ByteString]] = [
        ["a", "a/b", "a/"],
        ["a", "a/", "a/b", "a/b/c", "a/b/", "a-", "a.", "a0", "a!", "aa", "a/ "],
        ["d/", "d//", "d//x", "d"],
        ["e/f/g/h", "e/f", "e", "e/f/g"],
        ["zarr/0/0", "zarr/0/1", "zarr/0", "zarr/1/0", "zarr/.zarray", "zarr/"],
        ["/", "//", "/x", "x"],
    ]

    /// Keys as most buckets have them.
    public static let plain: [ByteString] = [
        "README.md", "data/one.nwb", "data/two.nwb", "data/sub/three.nwb", "dandisets/000108/draft/assets.yaml",
        "dandisets/000108/0.1/assets.yaml", "blobs/0a1/b2c/0a1b2c3d", "blobs/0a1/b2d/0a1b2d3e", "index.html",
    ]
}
