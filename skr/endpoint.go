package skr

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// normalizeEndpoint turns a bare host or an https URL, with or without a
// trailing slash, into "https://host[:port]". Documents and ARM disagree about
// the slash, and some sidecars take bare hosts only. Anything more than a host
// is refused: paths and user names are how one service is made to look like
// another. Nothing that is refused is quoted, see validID.
func normalizeEndpoint(s string) (string, error) {
	if s == "" {
		return "", errors.New("is empty; give a host name or an https URL")
	}
	if len(s) > 512 {
		return "", fmt.Errorf("has %d bytes; a host name is shorter than 512", len(s))
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", errors.New("is no URL; give a host name or an https URL")
	}
	switch {
	case u.Scheme != "https":
		return "", errors.New("has another scheme than https, and only that is allowed")
	case u.User != nil:
		return "", errors.New("holds user information; remove it")
	case !validHost(u.Hostname()):
		return "", errors.New("has no usable host name; one is of letters, digits, hyphens and dots")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("has more than a host; remove path, query and fragment")
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	return "https://" + strings.ToLower(strings.TrimSuffix(u.Host, ":443")), nil
}

func validHost(h string) bool {
	if h == "" {
		return false
	}
	for _, r := range h {
		if !isNameRune(r) && r != '.' && r != ':' {
			return false
		}
	}
	return true
}

// hostOf is the host name, without port, of a normalised endpoint.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// isManagedHSM reports whether a normalised endpoint is a Managed HSM, in any of
// Azure's clouds: NAME.managedhsm.azure.net, NAME.managedhsm.azure.cn and so on.
func isManagedHSM(endpoint string) bool {
	_, domain, _ := strings.Cut(hostOf(endpoint), ".")
	return strings.HasPrefix(domain, "managedhsm.")
}

// isNameRune reports whether r may stand in the name of a vault's object.
func isNameRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-'
}

// validName reports whether s can name a key, a secret or a version: 1 to 127
// of [0-9A-Za-z-]. Nothing else may reach the path of a request.
func validName(s string) bool {
	return s != "" && len(s) <= 127 && strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) }) < 0
}

// validDirectoryID reports whether s can be a tenant or client id: a GUID, or
// the domain name of a tenant.
func validDirectoryID(s string) bool {
	return s != "" && len(s) <= 127 && strings.Trim(s, ".") == s &&
		strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) && r != '.' }) < 0
}
