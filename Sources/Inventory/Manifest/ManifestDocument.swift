/// The JSON of a manifest; only the types of its fields have been checked.
struct ManifestDocument: Decodable {
    struct FileEntry: Decodable {
        let key: String
        let size: Int64?
        let md5: String

        enum CodingKeys: String, CodingKey {
            case key, size
            case md5 = "MD5checksum"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            key = try fields.text(.key, in: "files[].")
            md5 = try fields.text(.md5, in: "files[].")
            guard fields.contains(.size) else {
                size = nil
                return
            }
            guard let number = try? fields.decode(Int64?.self, forKey: .size) else {
                throw ManifestFieldError(name: "files[].size", problem: "a whole number of bytes is expected")
            }
            size = number
        }
    }

    let sourceBucket: String
    let destinationBucket: String?
    let version: String?
    let creationTimestamp: Int64?
    let fileFormat: String
    let fileSchema: String
    let files: [FileEntry]

    enum CodingKeys: String, CodingKey {
        case sourceBucket, destinationBucket, version, creationTimestamp, fileFormat, fileSchema, files
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        sourceBucket = try fields.text(.sourceBucket)
        destinationBucket = fields.contains(.destinationBucket) ? try fields.text(.destinationBucket) : nil
        version = try? fields.decode(String.self, forKey: .version)
        fileFormat = try fields.text(.fileFormat)
        // AWS writes a string of digits.
        if let number = try? fields.decode(Int64.self, forKey: .creationTimestamp) {
            creationTimestamp = number
        } else {
            creationTimestamp = (try? fields.decode(String.self, forKey: .creationTimestamp)).flatMap { Int64($0) }
        }
        // In other formats the files say themselves what they have.
        let isNeeded = fileFormat.uppercased() == "CSV"
        fileSchema = isNeeded ? try fields.text(.fileSchema) : (try? fields.text(.fileSchema)) ?? ""
        do {
            files = try fields.decode([FileEntry].self, forKey: .files)
        } catch let error as ManifestFieldError {
            throw error
        } catch {
            throw ManifestFieldError(name: "files", problem: "a list of objects is expected")
        }
    }
}

extension KeyedDecodingContainer {
    fileprivate func text(_ key: Key, in prefix: String = "") throws -> String {
        guard let text = try? decode(String.self, forKey: key) else {
            throw ManifestFieldError(name: prefix + key.stringValue, problem: "a string is expected")
        }
        return text
    }
}
