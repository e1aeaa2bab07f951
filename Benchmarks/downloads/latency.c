// A server of objects that waits before it answers: 50 ms (or as told) after a request has arrived, whatever else it does.
//
//   latency PORT MILLISECONDS [BYTES [TYPES]]
//
// Every path that ends with a number gives 4096 bytes (or as told, at most 65,536): that number in 16 digits, over and
// over. A version id that is 'v' and a number gives that. Its Content-Type is one of so many, by the number. Counts as
// late.h does; ends when standard input does.
#define _GNU_SOURCE
#include "late.h"

enum { most_bytes = 1 << 16 };

static int bytes = 4096, types;

static void read_target(struct waiting *request, const char *target, size_t length) {
    const char *query = memchr(target, '?', length);
    const char *version = query ? memmem(query, target + length - query, "versionId=v", 11) : NULL;
    if (version) {
        request->number = atol(version + 11);
        return;
    }
    const char *digit = query ? query : target + length;
    while (digit > target && digit[-1] >= '0' && digit[-1] <= '9') digit--;
    request->number = atol(digit);
}

static void answer(struct waiting *request) {
    static char text[most_bytes + 256];
    char type[32] = "binary/octet-stream";
    if (types) snprintf(type, sizeof type, "application/x-%ld", request->number % types);
    int length = snprintf(text, 256, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", type, bytes);
    for (int i = 0; i < bytes; i += 16) {
        char digits[17];
        if (i == 0) snprintf(digits, sizeof digits, "%016ld", request->number);
        memcpy(text + length + i, i == 0 ? digits : text + length, 16);
    }
    send_all(request, text, length + bytes);
}

int main(int count, char **words) {
    if (count > 3) bytes = atoi(words[3]) & ~15;
    if (count > 4) types = atoi(words[4]);
    if (count < 3 || count > 5 || bytes < 16 || bytes > most_bytes || types < 0) return 64;
    return serve(atoi(words[1]), strtoull(words[2], NULL, 10) * 1000);
}
