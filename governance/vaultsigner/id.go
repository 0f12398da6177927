package vaultsigner

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// objectID is the address of a key or certificate in a vault.
type objectID struct {
	host, collection, name string
	version                string // empty for the newest
}

var (
	objectName    = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	objectVersion = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
)

// parseID reads https://<vault>/<collection>/<name>[/<version>].
func parseID(id, collection string) (objectID, error) {
	fail := func() (objectID, error) {
		return objectID{}, fmt.Errorf("vaultsigner: %q is not https://<vault>/%s/<name>[/<version>]", shorten(id), collection)
	}
	u, err := url.Parse(id)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fail()
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != collection || !objectName.MatchString(parts[1]) {
		return fail()
	}
	o := objectID{host: strings.ToLower(u.Host), collection: collection, name: parts[1]}
	if len(parts) == 3 {
		if o.version = parts[2]; !objectVersion.MatchString(o.version) {
			return fail()
		}
	}
	return o, nil
}

func (o objectID) vault() string { return "https://" + o.host }

func (o objectID) String() string {
	s := o.vault() + "/" + o.collection + "/" + o.name
	if o.version != "" {
		s += "/" + o.version
	}
	return s
}

// shorten bounds foreign text in an error.
func shorten(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
