import ArgumentParser
import Store

/// `--etags opaque`.
enum ETagOption {
    private static let meaning = """
        the server's ETags are opaque: no digests, whatever they look like. Each content has to arrive twice in the same \
        form, and is stored under its SHA-256.
        """
    static let help = ArgumentHelp("Say that \(meaning)", valueName: "opaque")
    static let laterHelp = ArgumentHelp("From now on, \(meaning)", valueName: "opaque")
}

extension StoreConfiguration.ETagMeaning: ExpressibleByArgument {}
