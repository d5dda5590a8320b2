/* The heads of the opening handshake that we write (RFC 6455 4.1, 4.2.2). */
#include "msg/upgrade.h"

void sip_upgrade_write_request(struct sip_out *out, sip_str target, sip_str host,
                               sip_str key)
{
	sip_out_lit(out, "GET ");
	sip_out_value(out, target, "the path");
	sip_out_lit(out, " HTTP/1.1\r\nHost: ");
	sip_out_value(out, host, "Host");
	sip_out_lit(out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                 "Sec-WebSocket-Key: ");
	sip_out_str(out, key);
	sip_out_lit(out, "\r\nSec-WebSocket-Version: 13\r\n"
	                 "Sec-WebSocket-Protocol: sip\r\n\r\n");
}

void sip_upgrade_write_accept(struct sip_out *out, sip_str accept)
{
	sip_out_lit(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	                 "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
	sip_out_str(out, accept);
	sip_out_lit(out, "\r\nSec-WebSocket-Protocol: sip\r\n\r\n");
}

void sip_upgrade_write_refusal(struct sip_out *out, const struct sip_refusal *refusal)
{
	static const struct {
		uint16_t status;
		const char *reason, *fields;
	} rows[] = {
		{ 403, "Forbidden", "" },
		{ 405, "Method Not Allowed", "Allow: GET\r\n" },
		{ 426, "Upgrade Required",
		  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Version: 13\r\n" },
		{ 431, "Request Header Fields Too Large", "" },
		{ 503, "Service Unavailable", "" },
		{ 505, "HTTP Version Not Supported", "" },
		{ 400, "Bad Request", "" },
	};
	size_t i = 0;

	while (rows[i].status != refusal->status && rows[i].status != 400)
		i++;
	sip_out_lit(out, "HTTP/1.1 ");
	sip_out_u64(out, rows[i].status);
	sip_out_lit(out, " ");
	sip_out_bytes(out, rows[i].reason, strlen(rows[i].reason));
	sip_out_lit(out, "\r\n");
	sip_out_bytes(out, rows[i].fields, strlen(rows[i].fields));
	sip_out_lit(out, "Connection: close\r\nContent-Type: text/plain\r\n"
	                 "Content-Length: ");
	sip_out_u64(out, strlen(refusal->why) + 1);
	sip_out_lit(out, "\r\n\r\n");
	sip_out_bytes(out, refusal->why, strlen(refusal->why));
	sip_out_lit(out, "\n");
}
