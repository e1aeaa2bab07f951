/// What is wrong somewhere in a columnar file, before it is known where: whoever reads the column says that.
struct ColumnarProblem: Error {
    /// Half a sentence that follows the name of the file and that ` in column 'key' of stripe 3` may follow, such as
    /// `has a run of numbers that ends too early`.
    let problem: String
    /// Which row it is, counted from 0 among those that are being decoded, if that is known.
    var row: Int?
    /// The file is as it should be, but Icecore does not read such.
    var isUnsupported = false

    init(_ problem: String, row: Int? = nil, isUnsupported: Bool = false) {
        self.problem = problem
        self.row = row
        self.isUnsupported = isUnsupported
    }

    /// A problem at a place, such as `stripe 3`.
    func damage(in place: String) -> ColumnarDamage {
        ColumnarDamage(problem: "\(problem) in \(place)", isUnsupported: isUnsupported)
    }

    /// A problem of the file as a whole.
    var ofFile: ColumnarDamage { ColumnarDamage(problem: problem, isUnsupported: isUnsupported) }
}
