import Basics

/// What is around every page: the document, the head with the search, and the foot.
struct Frame {
    let bucket: String
    var place: PagePlace?
    var title: String

    func document(_ panel: Markup?, _ content: Markup) -> Markup {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>\(title)</title>
        <meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
        <link rel="icon" href="/-/assets/mark.svg" type="image/svg+xml">
        <link rel="stylesheet" href="/-/assets/page.css"><script src="/-/assets/page.js" defer></script></head>
        <body><a class="skip" href="#view">To the contents</a>
        <header class="wrap top"><a class="brand" href="/-/">\(Drawing.mark)<span>\(bucket)</span></a>
        <form class="search" id="top-search" action="/-/search" method="get" role="search">\(Drawing.lens)\
        <input type="search" name="q" placeholder="Search keys, also deleted ones" aria-label="Search keys, also deleted ones" \
        autocomplete="off" spellcheck="false" maxlength="1024"><input type="hidden" name="scope" value="ever">\
        \(at)</form></header>
        <div class="wrap">\(panel)<main id="view" tabindex="-1">\(content)</main>
        <footer>Read-only, from a store of every version. Keys: <b>/</b> search, <b>[</b> <b>]</b> step in time, \
        <b>u</b> up. All dates are UTC.</footer></div></body></html>
        """
    }

    private var at: Markup? { place?.named.map { "<input type=\"hidden\" name=\"at\" value=\"\($0)\">" } }

    /// A page that only says something.
    func message(_ headline: String, _ text: String) -> Markup {
        document(
            nil,
            """
            <section class="card"><div class="empty"><strong>\(headline)</strong>\(text)<br><br>\
            <a class="button" href="/-/?at=latest">To the latest date</a></div></section>
            """)
    }
}
