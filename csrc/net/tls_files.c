#include "net/tls_files.h"

#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

/* ---- reasons ---- */

static sip_err refuse(char why[NET_TLS_WHY_MAX], const char *option, const char *path,
                      const char *what)
{
	/* What does not fit is cut. */
	(void)snprintf(why, NET_TLS_WHY_MAX, "%s: %s: %s", option, path, what);
	return SIP_EINVAL;
}

/* OpenSSL does not always say that memory was short.  What may be that is tried again.
 */
static sip_err doubt(char why[NET_TLS_WHY_MAX], const char *option, const char *path)
{
	(void)refuse(why, option, path, "it cannot be used, or memory is short");
	return SIP_ENOMEM;
}

sip_err net_tls_no_memory(char why[NET_TLS_WHY_MAX])
{
	(void)snprintf(why, NET_TLS_WHY_MAX, "no memory"); /* it fits */
	return SIP_ENOMEM;
}

static sip_err refuse_errno(char why[NET_TLS_WHY_MAX], const char *option,
                            const char *path, int number)
{
	char error[64];

	return refuse(
		why, option, path,
		uv_strerror_r(uv_translate_sys_error(number), error, sizeof error));
}

/* OpenSSL says of all that it cannot open or read that nothing is in it. */
static sip_err check_readable(const char *option, const char *path, bool *is_folder,
                              char why[NET_TLS_WHY_MAX])
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat info;
	bool folder;

	if (fd < 0)
		return refuse_errno(why, option, path, errno);
	folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
	(void)close(fd); /* nothing was written */
	if (is_folder)
		*is_folder = folder;
	else if (folder)
		return refuse(why, option, path, "it is a folder, not a file");
	if (folder && access(path, X_OK) != 0)
		return refuse_errno(why, option, path, errno);
	return SIP_OK;
}

/* ---- have they changed? ---- */

static struct net_tls_stamp stamp_of(const char *path)
{
	struct net_tls_stamp stamp = { 0 };
	struct stat info;

	if (path && stat(path, &info) == 0) {
		stamp.dev = info.st_dev;
		stamp.ino = info.st_ino;
		stamp.size = info.st_size;
#ifdef __APPLE__
		stamp.changed = info.st_mtimespec;
#else
		stamp.changed = info.st_mtim;
#endif
	}
	return stamp;
}

static bool same_stamp(const struct net_tls_stamp *a, const struct net_tls_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

bool net_tls_stamp_renew(struct net_tls_stamp *stamp, const char *path)
{
	const struct net_tls_stamp found = stamp_of(path);
	const bool changed = !same_stamp(stamp, &found);

	*stamp = found;
	return changed;
}

/* ---- our certificate ---- */

static int no_passphrase(char *buf, int size, int writing, void *data)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)data = true;
	return -1; /* nobody is there who could be asked */
}

static sip_err check_dates(const char *path, const X509 *cert,
                           char why[NET_TLS_WHY_MAX])
{
	char what[96], date[NET_TLS_DATE_MAX];

	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
		net_tls_date(X509_get0_notAfter(cert), date);
		(void)snprintf(what, sizeof what, "expired on %s", date); /* it fits */
		return refuse(why, "cert", path, what);
	}
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
		net_tls_date(X509_get0_notBefore(cert), date);
		(void)snprintf(what, sizeof what, "is not valid before %s",
		               date); /* it fits */
		return refuse(why, "cert", path, what);
	}
	return SIP_OK;
}

static sip_err refuse_cert(const char *path, char why[NET_TLS_WHY_MAX])
{
	const unsigned long error = ERR_peek_error(); /* the first one is the cause */
	const int lib = ERR_GET_LIB(error), reason = ERR_GET_REASON(error);

	if (lib == ERR_LIB_PEM || lib == ERR_LIB_ASN1)
		return refuse(why, "cert", path, "no certificate in PEM form is in it");
	if (lib == ERR_LIB_SSL &&
	    (reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL ||
	     reason == SSL_R_CA_MD_TOO_WEAK))
		return refuse(why, "cert", path,
		              "the certificate cannot be used: its key is too short, "
		              "or its signature too weak");
	return doubt(why, "cert", path);
}

static sip_err refuse_key(const char *path, const char *cert, bool asked,
                          char why[NET_TLS_WHY_MAX])
{
	char what[NET_TLS_WHY_MAX / 2];

	if (asked)
		return refuse(why, "key", path,
		              "it is encrypted, and nobody can be asked for its "
		              "passphrase");
	switch (ERR_GET_LIB(ERR_peek_error())) { /* the first one is the cause */
	case ERR_LIB_X509:
		/* What does not fit is cut. */
		(void)snprintf(what, sizeof what,
		               "the key does not belong to the certificate %s", cert);
		return refuse(why, "key", path, what);
	case ERR_LIB_OSSL_DECODER:
	case ERR_LIB_PEM:
	case ERR_LIB_ASN1:
		return refuse(why, "key", path, "no key in PEM form is in it");
	default:
		return doubt(why, "key", path);
	}
}

sip_err net_tls_files_pair(SSL_CTX *ctx, const char *cert, const char *key,
                           char why[NET_TLS_WHY_MAX])
{
	sip_err err = check_readable("cert", cert, NULL, why);
	bool asked = false;

	if (err == SIP_OK)
		err = check_readable("key", key, NULL, why);
	if (err != SIP_OK)
		return err;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return refuse_cert(cert, why);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return refuse_key(key, cert, asked, why);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	return check_dates(cert, SSL_CTX_get0_certificate(ctx), why);
}

/* ---- whom we trust ---- */

/* A key whose strength could not be found out counts as one of none. */
static bool has_key(X509 *x509)
{
	EVP_PKEY *key = X509_get0_pubkey(x509);

	return key && EVP_PKEY_get_security_bits(key) > 0;
}

/* What OpenSSL finds out about a certificate when it first needs it is found out here:
 * for want of memory in a handshake it would take it for broken, and for ever. */
static bool look_at_all(SSL_CTX *ctx)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	bool whole = true;

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *x509 = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (x509 && (X509_check_purpose(x509, -1, 0) != 1 || !has_key(x509)))
			whole = false;
	}
	return whole;
}

static sip_err read_ca(SSL_CTX *ctx, const char *ca, bool server,
                       char why[NET_TLS_WHY_MAX])
{
	bool is_folder = false;
	STACK_OF(X509_NAME) * names;
	sip_err err;

	if (!ca)
		return SSL_CTX_set_default_verify_paths(ctx) == 1
		               ? SIP_OK
		               : net_tls_no_memory(why);
	err = check_readable("ca", ca, &is_folder, why);
	if (err != SIP_OK)
		return err;
	if (is_folder)
		return SSL_CTX_load_verify_dir(ctx, ca) == 1
		               ? SIP_OK
		               : refuse(why, "ca", ca, "cannot be used");
	if (SSL_CTX_load_verify_file(ctx, ca) != 1)
		return refuse(why, "ca", ca, "no certificate in PEM form is in it");
	if (!server)
		return SIP_OK;
	names = SSL_load_client_CA_file(ca);
	if (!names)
		return net_tls_no_memory(why);
	SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
	return SIP_OK;
}

sip_err net_tls_files_ca(SSL_CTX *ctx, const char *ca, bool server,
                         char why[NET_TLS_WHY_MAX])
{
	const sip_err err = read_ca(ctx, ca, server, why);

	/* Of the system's there may be odd ones. */
	if (err == SIP_OK && !look_at_all(ctx) && ca)
		return doubt(why, "ca", ca);
	return err;
}
