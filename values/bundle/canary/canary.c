/*
 * The sequence canary: one series per shard whose value counts up with every scrape, and a line on standard output for
 * every value that was served. What the receiver lacks of these numbers was lost on the way, to the sample.
 *
 *   canary PORT SHARDS
 *
 * Only a request that carries Prometheus' own scrape header counts, so a person who looks does not open a hole in the
 * books. The first number is the start in milliseconds since 1970: fewer than a thousand scrapes a second keep the
 * numbers rising over restarts without any state. Each line is "NUMBER SECONDS.MICROSECONDS", written before the answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { REQUEST = 8192, MOST_SHARDS = 64, SERIES = 64 };

static const char NAME[] = "drillyard_canary_sequence";

static void quit(int sig)
{
	(void)sig;
	_exit(0);
}

static long number(const char *text, long least, long most)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < least || value > most) {
		fprintf(stderr, "canary: %s is not within %ld to %ld\n", text, least, most);
		exit(2);
	}
	return value;
}

/* Reads until the end of the request's head; 0 when the peer is gone or says too much. */
static int head(int peer, char *request)
{
	size_t have = 0;

	while (have < REQUEST - 1) {
		ssize_t got = read(peer, request + have, REQUEST - 1 - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		have += (size_t)got;
		request[have] = '\0';
		if (strstr(request, "\r\n\r\n") != NULL)
			return 1;
	}
	return 0;
}

static void answer(int peer, const char *status, const char *body)
{
	char text[256 + MOST_SHARDS * SERIES];
	int length = snprintf(text, sizeof text,
		"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		status, strlen(body), body);
	const char *at = text;

	while (length > 0) {
		ssize_t sent = write(peer, at, (size_t)length);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		at += sent;
		length -= (int)sent;
	}
}

static void serve(int peer, long shards, long long *next)
{
	char request[REQUEST];
	char body[128 + MOST_SHARDS * SERIES];
	struct timeval now;
	int used;
	long shard;

	if (!head(peer, request))
		return;
	if (strncmp(request, "GET /metrics ", 13) != 0) {
		answer(peer, "200 OK", "ok\n");
		return;
	}
	if (strcasestr(request, "\r\nX-Prometheus-Scrape-Timeout-Seconds:") != NULL) {
		*next += 1;
		gettimeofday(&now, NULL);
		printf("%lld %lld.%06ld\n", *next, (long long)now.tv_sec, (long)now.tv_usec);
		fflush(stdout);
	}
	used = snprintf(body, sizeof body, "# TYPE %s gauge\n", NAME);
	for (shard = 0; shard < shards; shard++)
		used += snprintf(body + used, sizeof body - (size_t)used, "%s{shard=\"%ld\"} %lld\n", NAME, shard, *next);
	answer(peer, "200 OK", body);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { .s_addr = INADDR_ANY } };
	struct timeval patience = { .tv_sec = 5 };
	struct timeval now;
	long long next;
	long shards;
	int on = 1, listener;

	if (argc != 3) {
		fprintf(stderr, "usage: canary PORT SHARDS\n");
		return 2;
	}
	here.sin_port = htons((unsigned short)number(argv[1], 1, 65535));
	shards = number(argv[2], 1, MOST_SHARDS);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, quit);
	signal(SIGINT, quit);
	gettimeofday(&now, NULL);
	next = (long long)now.tv_sec * 1000 + now.tv_usec / 1000;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 16) != 0) {
		perror("canary");
		return 1;
	}
	/* One peer at a time keeps lines and answers in one order. */
	for (;;) {
		int peer = accept(listener, NULL, NULL);

		if (peer < 0)
			continue;
		setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		serve(peer, shards, &next);
		close(peer);
	}
}
