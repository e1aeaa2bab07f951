// A server that makes up the pages of one bucket, which has as many versions as it is told, and nothing in memory.
//
//   pages PORT MILLISECONDS VERSIONS
//
// Keys have one version each, and look like `data/0012/0012345/part-…`: a hundred in each folder, in the order of what
// nobody can guess. Counts as late.h does; ends when standard input does.
#include "../downloads/late.h"

enum { page_size = 1000, folder_size = 100, longest_key = 64, longest_row = 512 };

static long versions;

struct named {
    char key[longest_key];
    long number;
};

static void name_folder(char *text, long folder) {
    snprintf(text, longest_key, "data/%04ld/%07ld/", folder / (100000 / folder_size), folder);
}

static int by_key(const void *left, const void *right) {
    return strcmp(((const struct named *)left)->key, ((const struct named *)right)->key);
}

// The keys of a folder, in their order.
static int keys_of(long folder, struct named *keys) {
    int count = 0;
    for (long number = folder * folder_size; number < versions && count < folder_size; number++, count++) {
        name_folder(keys[count].key, folder);
        size_t length = strlen(keys[count].key);
        unsigned scattered = (unsigned)number * 2654435761u;
        snprintf(keys[count].key + length, longest_key - length, "part-%08x-%09ld", scattered, number);
        keys[count].number = number;
    }
    qsort(keys, count, sizeof *keys, by_key);
    return count;
}

// The last folder whose name is not behind the marker.
static long folder_of(const char *marker) {
    long low = 0, high = (versions + folder_size - 1) / folder_size;
    while (low < high) {
        char name[longest_key];
        long middle = (low + high) / 2;
        name_folder(name, middle);
        if (strcmp(name, marker) <= 0) low = middle + 1; else high = middle;
    }
    return low > 0 ? low - 1 : 0;
}

// The value of a parameter, decoded; empty if there is none.
static void parameter(const char *target, const char *name, char *value, size_t size) {
    const char *at = target;
    size_t length = strlen(name), used = 0;
    while ((at = strstr(at, name)) && (at[-1] != '?' && at[-1] != '&')) at += length;
    if (at) {
        for (at += length; *at && *at != '&' && used + 1 < size; used++) {
            char code[3] = {at[0] == '%' ? at[1] : '0', at[0] == '%' ? at[2] : '0', 0};
            value[used] = at[0] == '%' ? (char)strtol(code, NULL, 16) : *at == '+' ? ' ' : *at;
            at += at[0] == '%' ? 3 : 1;
        }
    }
    value[used] = 0;
}

static void read_target(struct waiting *request, const char *target, size_t length) {
    request->text = strndup(target, length);
}

// Writes a page; its length.
static int write_page(char *text, const char *marker) {
    static struct named keys[folder_size];
    static char rows[page_size * longest_row];
    long folder = folder_of(marker);
    int count = 0, length = 0, more = 0;
    char last_key[longest_key] = "";
    long last_number = 0;
    for (; folder * folder_size < versions && !more; folder++) {
        int found = keys_of(folder, keys);
        for (int i = 0; i < found; i++) {
            if (strcmp(keys[i].key, marker) <= 0) continue;
            if ((more = count == page_size)) break;
            length += snprintf(
                rows + length, longest_row,
                "<Version><Key>%s</Key><VersionId>v%031ld</VersionId><IsLatest>true</IsLatest>"
                "<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;%032lx&quot;</ETag><Size>%ld</Size>"
                "<StorageClass>STANDARD</StorageClass>"
                "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner></Version>",
                keys[i].key, keys[i].number, keys[i].number, keys[i].number);
            count++;
            memcpy(last_key, keys[i].key, sizeof last_key);
            last_number = keys[i].number;
        }
    }
    char end[256] = "";
    if (more)
        snprintf(end, sizeof end, "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>v%031ld</NextVersionIdMarker>",
                 last_key, last_number);
    return sprintf(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Name>bench</Name><Prefix></Prefix><KeyMarker></KeyMarker><MaxKeys>1000</MaxKeys><IsTruncated>%s</IsTruncated>%s"
        "<EncodingType>url</EncodingType>%.*s</ListVersionsResult>",
        more ? "true" : "false", end, length, rows);
}

static void answer(struct waiting *request) {
    static char page[page_size * longest_row + 1024], text[sizeof page + 256];
    const char *target = request->text ? request->text : "";
    int length;
    if (strstr(target, "versioning")) {
        length = sprintf(page, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    } else if (strstr(target, "location")) {
        length = sprintf(page, "<LocationConstraint/>");
    } else {
        char marker[1024];
        parameter(target, "key-marker=", marker, sizeof marker);
        length = write_page(page, marker);
    }
    int head = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n", length);
    memcpy(text + head, page, length);
    send_all(request, text, head + length);
    free(request->text);
    request->text = NULL;
}

int main(int count, char **words) {
    if (count != 4 || (versions = atol(words[3])) < 0) return 64;
    return serve(atoi(words[1]), strtoull(words[2], NULL, 10) * 1000);
}
