/* Read a live stream of bssci, and print, store or forward the messages.
 *
 *   settings --> token's form --> connect, verified --> subscribe --> messages --> output
 *                                    ^                                   |
 *                                    +--- 1, 2, 4 ... 30 s <--- lost ----+
 *
 * Exit status: 0 after a signal, 1 wrong settings, 2 the token is refused, 3 the certificate is not trusted.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <MQTTClient.h>
#include <curl/curl.h>

enum { WRONG_SETTINGS = 1, REFUSED = 2, NOT_TRUSTED = 3 };
enum { WEBHOOK_TIMEOUT = 20 };
enum { KEEP_ALIVE = 60, CONNECT_TIMEOUT = 20, READ_MS = 500, SERVER_BUSY = 3, NOT_ALLOWED = 0x80 };

static const double FIRST_DELAY = 1.0, LONGEST_DELAY = 30.0, LASTED = 10.0;
static const char PREFIX[] = "bssci_mqtt_";
static const char ALPHABET[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
enum { DRAWN = 32, CHECKSUM = 6 };

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

__attribute__((noreturn, format(printf, 2, 3))) static void fatal(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("error: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

/* Settings */

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* Put the settings of the file into the environment, except those that are set already. */
static void load_settings(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    if (!file) {
        if (errno != ENOENT)
            fatal(WRONG_SETTINGS, "%s: %s", path, strerror(errno));
        return;
    }
    while (getline(&line, &size, file) > 0) {
        char *name = line + strspn(line, " \t"), *equals = strchr(name, '=');
        if (!equals || equals == name || *name == '#')
            continue;
        char *value = equals + 1 + strspn(equals + 1, " \t"), *end = value + strlen(value);
        while (end > value && strchr(" \t\r\n", end[-1]))
            *--end = '\0';
        *equals = '\0';
        while (equals > name && strchr(" \t", equals[-1]))
            *--equals = '\0';
        if (*name && !*setting(name, ""))
            setenv(name, value, 1);
    }
    free(line);
    fclose(file);
}

static uint32_t crc32(const char *data, size_t length)
{
    uint32_t crc = UINT32_MAX;
    for (size_t index = 0; index < length; index++) {
        crc ^= (unsigned char)data[index];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

/* Check prefix, length and checksum, so that a mistyped token is not even sent. */
static void check_token(const char *token)
{
    const size_t start = sizeof PREFIX - 1;
    char checksum[CHECKSUM];
    if (strncmp(token, PREFIX, start) != 0 || strlen(token) != start + DRAWN + CHECKSUM
        || strspn(token + start, ALPHABET) != DRAWN + CHECKSUM)
        fatal(WRONG_SETTINGS, "MQTT_API_TOKEN must be %s and %d letters or digits", PREFIX, DRAWN + CHECKSUM);
    uint32_t number = crc32(token + start, DRAWN);
    for (int index = CHECKSUM - 1; index >= 0; index--, number /= 62)
        checksum[index] = ALPHABET[number % 62];
    if (memcmp(token + start + DRAWN, checksum, CHECKSUM) != 0)
        fatal(WRONG_SETTINGS, "MQTT_API_TOKEN is mistyped: its checksum is wrong");
}

/* Return whether the address has TLS. Without TLS it must be on this machine. */
static bool check_address(const char *url)
{
    bool secure = strncmp(url, "wss://", 6) == 0;
    const char *host = strstr(url, "://");
    if ((!secure && strncmp(url, "ws://", 5) != 0) || !host[3] || host[3] == '/' || host[3] == ':')
        fatal(WRONG_SETTINGS, "MQTT_BROKER_URL must be wss://host:port/mqtt");
    size_t length = strcspn(host += 3, ":/");
    bool local = (length == 9 && strncmp(host, "localhost", 9) == 0)
        || (length == 9 && strncmp(host, "127.0.0.1", 9) == 0);
    if (!secure && !local)
        fatal(WRONG_SETTINGS, "ws:// sends the token in the clear: use wss://");
    return secure;
}

/* Waiting */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Return the delay, longer by up to a quarter, so that many clients do not reconnect at once; double it up to 30 s. */
static double next_delay(double *delay)
{
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        chance = (uint32_t)getpid() * 2654435761U;
    double drawn = *delay * (1 + 0.25 * chance / UINT32_MAX);
    *delay = *delay * 2 < LONGEST_DELAY ? *delay * 2 : LONGEST_DELAY;
    return drawn;
}

static void wait_for(double seconds)
{
    const struct timespec slice = {.tv_nsec = 100000000};
    for (double end = now() + seconds; !stopped && now() < end;)
        nanosleep(&slice, NULL);
}

/* Outputs: each returns NULL if the message is written, or the reason why it is not. */

typedef const char *(*output)(const char *topic, const MQTTClient_message *message);

static const char *write_console(const char *topic, const MQTTClient_message *message)
{
    clearerr(stdout);
    printf("%s %.*s\n", topic, message->payloadlen, (const char *)message->payload);
    if (fflush(stdout) == 0)
        return NULL;
    if (errno == EPIPE)
        fatal(WRONG_SETTINGS, "nobody reads the output any more");
    return strerror(errno);
}

static int database = -1;

static void open_database(const char *path)
{
    database = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (database < 0)
        fatal(WRONG_SETTINGS, "%s: %s", path, strerror(errno));
}

/* Write a text as JSON does; ids in topics may contain quotes. */
static void put_text(FILE *line, const char *text)
{
    fputc('"', line);
    for (; *text; text++) {
        if ((unsigned char)*text < ' ')
            fprintf(line, "\\u%04x", *text);
        else
            fprintf(line, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    fputc('"', line);
}

/* Return {"topic": ..., "payload": ...}, which the caller frees; NULL: out of memory. */
static char *as_json(const char *topic, const MQTTClient_message *message, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (!out)
        return NULL;
    fputs("{\"topic\": ", out);
    put_text(out, topic);
    fprintf(out, ", \"payload\": %.*s}\n", message->payloadlen, (const char *)message->payload);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* Append a line of JSON, on disk when this returns. */
static const char *write_database(const char *topic, const MQTTClient_message *message)
{
    size_t length = 0;
    char *text = as_json(topic, message, &length);
    if (!text)
        return "out of memory";
    off_t before = lseek(database, 0, SEEK_END);
    ssize_t written = write(database, text, length);
    bool whole = written == (ssize_t)length && fsync(database) == 0;
    int reason = written >= 0 && written < (ssize_t)length ? ENOSPC : errno;
    /* A truncated line would damage the next one as well. */
    if (!whole && before >= 0 && ftruncate(database, before) != 0)
        reason = errno;
    free(text);
    return whole ? NULL : strerror(reason);
}

static CURL *webhook;

static void open_webhook(const char *url)
{
    static struct curl_slist *headers;
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        fatal(WRONG_SETTINGS, "WEBHOOK_URL must be a URL");
    webhook = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!webhook || !headers)
        fatal(WRONG_SETTINGS, "libcurl cannot be used");
    curl_easy_setopt(webhook, CURLOPT_URL, url);
    curl_easy_setopt(webhook, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(webhook, CURLOPT_TIMEOUT, (long)WEBHOOK_TIMEOUT);
    curl_easy_setopt(webhook, CURLOPT_NOSIGNAL, 1L);
    /* 4xx and 5xx are failures; a redirection is not followed. libcurl verifies certificates by default. */
    curl_easy_setopt(webhook, CURLOPT_FAILONERROR, 1L);
}

static size_t pass_over(const char *data, size_t size, size_t count, void *told)
{
    (void)data;
    (void)told;
    return size * count;
}

/* Post a message as JSON; every status 2xx counts as success. */
static const char *write_webhook(const char *topic, const MQTTClient_message *message)
{
    size_t length = 0;
    char *text = as_json(topic, message, &length);
    long status = 0;
    if (!text)
        return "out of memory";
    curl_easy_setopt(webhook, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(webhook, CURLOPT_POSTFIELDSIZE, (long)length);
    curl_easy_setopt(webhook, CURLOPT_WRITEFUNCTION, pass_over);
    CURLcode code = curl_easy_perform(webhook);
    curl_easy_getinfo(webhook, CURLINFO_RESPONSE_CODE, &status);
    free(text);
    if (code != CURLE_OK)
        return curl_easy_strerror(code);
    return status >= 200 && status < 300 ? NULL : "the webhook answered another status than 2xx";
}

static output choose_output(const char *name)
{
    if (strcmp(name, "console") == 0)
        return write_console;
    if (strcmp(name, "webhook") == 0) {
        open_webhook(setting("WEBHOOK_URL", ""));
        return write_webhook;
    }
    if (strcmp(name, "database") != 0)
        fatal(WRONG_SETTINGS, "OUTPUT must be console, database or webhook");
    open_database(setting("DATABASE_PATH", "readings.jsonl"));
    return write_database;
}

/* Try to write a message until it is written or a signal comes. */
static void write_surely(output write_message, const char *topic, const MQTTClient_message *message)
{
    double delay = FIRST_DELAY;
    const char *reason;
    while ((reason = write_message(topic, message)) && !stopped) {
        double drawn = next_delay(&delay);
        fprintf(stderr, "not written, next attempt in %.1f s: %s\n", drawn, reason);
        wait_for(drawn);
    }
}

/* Connection */

/* OpenSSL's message about a failed handshake. */
static int note_tls_error(const char *text, size_t length, void *told)
{
    (void)length;
    if (strstr(text, "certificate verify failed"))
        *(bool *)told = true;
    return 1;
}

/* Read until the connection is lost or a signal comes; return why it was lost. */
static const char *read_messages(MQTTClient client, output write_message)
{
    while (!stopped) {
        char *topic = NULL;
        int length = 0;
        MQTTClient_message *message = NULL;
        int code = MQTTClient_receive(client, &topic, &length, &message, READ_MS);
        if (message) {
            write_surely(write_message, topic, message);
            MQTTClient_freeMessage(&message);
            MQTTClient_free(topic);
        } else if (code != MQTTCLIENT_SUCCESS || !MQTTClient_isConnected(client)) {
            return "the connection was lost";
        }
    }
    return "";
}

int main(void)
{
    load_settings(".env");
    const char *token = setting("MQTT_API_TOKEN", ""), *url = setting("MQTT_BROKER_URL", "");
    const char *topic = setting("MQTT_TOPIC", "device/+/telemetry/#"), *name = setting("MQTT_CLIENT_ID", "");
    const char *authorities = setting("CA_CERT_PATH", NULL);
    bool secure = check_address(url), untrusted = false;
    check_token(token);
    if (authorities && access(authorities, R_OK) != 0)
        fatal(WRONG_SETTINGS, "%s: %s", authorities, strerror(errno));
    output write_message = choose_output(setting("OUTPUT", "console"));

    struct sigaction ending = {.sa_handler = stop};
    sigaction(SIGINT, &ending, NULL);
    sigaction(SIGTERM, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);

    MQTTClient client;
    if (MQTTClient_create(&client, url, name, MQTTCLIENT_PERSISTENCE_NONE, NULL) != MQTTCLIENT_SUCCESS)
        fatal(WRONG_SETTINGS, "MQTT_BROKER_URL must be wss://host:port/mqtt");

    /* Certificate and host name are verified; there is no setting to switch that off. */
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    tls.enableServerCertAuth = 1;
    tls.verify = 1;
    tls.trustStore = authorities;
    tls.disableDefaultTrustStore = authorities != NULL;
    tls.ssl_error_cb = note_tls_error;
    tls.ssl_error_context = &untrusted;

    double delay = FIRST_DELAY;
    while (!stopped) {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
        options.MQTTVersion = MQTTVERSION_3_1_1;
        options.keepAliveInterval = KEEP_ALIVE;
        options.connectTimeout = CONNECT_TIMEOUT;
        options.cleansession = !*name;
        options.username = token;
        options.ssl = secure ? &tls : NULL;
        const char *reason = "not reachable";
        double connected_at = 0;
        int code = MQTTClient_connect(client, &options);
        if (untrusted)
            fatal(NOT_TRUSTED, "the certificate is not trusted");
        if (code == MQTTCLIENT_SUCCESS) {
            connected_at = now();
            fprintf(stderr, "connected%s\n", options.returned.sessionPresent ? ", session resumed" : "");
            code = MQTTClient_subscribe(client, topic, 1);
            if (code == NOT_ALLOWED)
                fatal(REFUSED, "the token does not allow %s", topic);
            reason = code < 0 ? "the connection was lost" : read_messages(client, write_message);
        } else if (code == SERVER_BUSY) {
            reason = "the service is busy";
        } else if (code > 0) {
            fatal(REFUSED, "the service refuses the connection: return code %d", code);
        }
        if (stopped)
            break;
        if (connected_at > 0 && now() - connected_at > LASTED)
            delay = FIRST_DELAY;
        double drawn = next_delay(&delay);
        fprintf(stderr, "not connected, next attempt in %.1f s: %s\n", drawn, reason);
        wait_for(drawn);
    }
    MQTTClient_disconnect(client, 1000);
    MQTTClient_destroy(&client);
    return 0;
}
