import Basics
import Index
import Model

/// Two versions of a key, compared line by line where they are text.
struct TextView {
    /// So much of each is compared.
    static let limit = 256 << 10

    let context: PageContext
    let key: [UInt8]
    let old: KeyVersions.Entry
    let new: KeyVersions.Entry
    let contents: PageContents

    func markup() throws -> Markup {
        let place = context.place
        return """
            \(Crumbs(place: place, path: key, isKey: true).markup())\
            <section class="card padded"><dl class="facts">\(fact("From", old.identity))\(fact("To", new.identity))</dl></section>\
            <section class="card">\(try body())\
            <div class="more"><a class="button" href="\(place.key(key))">◀ All versions</a></div></section>
            """
    }

    private func fact(_ name: String, _ identity: VersionIdentity) -> Markup {
        """
        <div><dt>\(name)</dt><dd>\(PageText.day(identity.lastModified)) \
        <small class="hush">\(PageText.hour(identity.lastModified)), \(PageText.size(identity.size))</small></dd></div>
        """
    }

    private func say(_ headline: String, _ text: String) -> Markup {
        "<div class=\"empty\"><strong>\(headline)</strong>\(text)</div>"
    }

    private func body() throws -> Markup {
        if old.identity.etag == new.identity.etag, old.identity.size == new.identity.size {
            return say("The contents are the same.", "Only their dates differ.")
        }
        guard old.identity.size <= Int64(TextView.limit), new.identity.size <= Int64(TextView.limit) else {
            return say("They are too large to be compared here.", "Download both.")
        }
        let texts = try [old, new].map { version in
            try contents.beginning(key: key, version, limit: TextView.limit, context.reader)
        }
        guard let before = String(validating: texts[0], as: UTF8.self),
            let after = String(validating: texts[1], as: UTF8.self), !texts[0].contains(0), !texts[1].contains(0)
        else { return say("They are no texts.", "Download both to compare them.") }
        guard let lines = TextDifference.lines(before, after) else {
            return say("Too much differs to be shown line by line.", "Download both.")
        }
        let spans = lines.map { line -> Markup in
            switch line {
            case .same(let text): "<span class=\"same\">  \(text)</span>"
            case .removed(let text): "<span class=\"minus\">− \(text)</span>"
            case .added(let text): "<span class=\"plus\">+ \(text)</span>"
            case .skipped(let count): "<span class=\"hush\">⋯ \(count) equal lines</span>"
            }
        }
        return "<pre class=\"diff\" tabindex=\"0\">\(spans)</pre>"
    }
}
