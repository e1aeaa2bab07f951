import Store

extension ReplicaRecords: UploadJournal {
    func willBegin(_ path: String) throws { try willUpload(path, id: nil) }
    func didBegin(_ path: String, id: String) throws { try willUpload(path, id: id) }
    func didEnd(_ path: String) throws { try forgetUpload(path) }
}
