import CCurl

/// Request headers in libcurl's form. Shared by requests that send the same ones.
final class HeaderList {
    private(set) var raw: UnsafeMutablePointer<curl_slist>?

    init(_ lines: [String]) {
        for line in lines {
            // To libcurl, a header without a value is one to leave out, unless it ends so.
            let line = line.hasSuffix(": ") ? "\(line.dropLast(2));" : line
            // This fails only for lack of memory, which ends the program elsewhere.
            if let longer = curl_slist_append(raw, line) { raw = longer }
        }
    }

    deinit {
        curl_slist_free_all(raw)
    }
}
