public enum Schema { public static var index: String { String(decoding: PackageResources._01_index_sql, as: UTF8.self) } }
