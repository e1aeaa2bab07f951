// libcurl for Swift: its setters and getters are variadic, which do not import; these are their typed faces.
#include <curl/curl.h>
