import Basics

/// One answer of ListMultipartUploads.
struct S3UploadPage {
    private(set) var uploads: [S3UnfinishedUpload] = []
    /// Where the next page starts; nil on the last.
    private(set) var next: (key: [UInt8], id: [UInt8])?

    /// Reads the answer's XML.
    init(xml: [UInt8]) throws(IcecoreError) {
        var fields: [String: [UInt8]] = [:]
        var upload = S3UnfinishedUpload()
        try XMLReader.forEachElement(of: xml, root: "ListMultipartUploadsResult") { element in
            let path = element.path
            if path.count == 3, path[1] == "Upload" {
                if element.name == "Key" { upload.key = element.text }
                if element.name == "UploadId" { upload.id = element.string }
            } else if path.count == 2, element.name == "Upload" {
                uploads.append(upload)
                upload = S3UnfinishedUpload()
            } else if path.count == 2 {
                fields[element.name] = element.text
            }
        }
        if let isTruncated = fields["IsTruncated"], isTruncated.elementsEqual("true".utf8),
            let key = fields["NextKeyMarker"], let id = fields["NextUploadIdMarker"]
        {
            next = (key, id)
        }
    }
}
