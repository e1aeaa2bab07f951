// The whole of zlib that Icecore uses: the streaming interface of inflate and deflate.
#include <zlib.h>
#include <string.h>

// inflateInit2 and deflateInit2 are macros, which do not import into Swift.
static inline int icecore_inflate_init_gzip(z_stream *stream) {
    return inflateInit2(stream, 15 + 16);  // 15 window bits; +16: gzip framing only, checked by zlib (CRC-32, length)
}
static inline int icecore_deflate_init_gzip(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
