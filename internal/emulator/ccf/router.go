package ccf

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// route is one endpoint: a verb, a path with {parameters}, who may call it and
// what it does. handle answers with a body: nil for none, [text] for anything
// but JSON.
type route struct {
	method, path string
	// auth lists the policies of an /app endpoint; none means no identity.
	auth []authPolicy
	// anyToken leaves out the check that a token's user is registered.
	anyToken bool
	// signed is the governance message that the body must be; empty for none.
	signed string
	// anyStatus admits a signer who is not Active.
	anyStatus bool
	// node marks answers about the node, which carry no transaction id.
	node   bool
	handle func(*call) (any, error)
}

// text is a body with its own content type, which may be empty.
type text struct {
	contentType string
	body        []byte
}

type compiledRoute struct {
	*route
	pattern *regexp.Regexp
}

type router struct{ routes []compiledRoute }

// sharedRouter is that of every network: the routes name methods of a call, not
// of a service, and to compile the paths takes longer than a short history of a
// network.
var sharedRouter = sync.OnceValue(func() *router { return newRouter((*Service)(nil).routes()) })

var parameter = regexp.MustCompile(`\\\{[a-zA-Z]+\\\}`)

// newRouter compiles the paths. A parameter of an application path is anything
// but a slash; in a governance path a colon starts the verb.
func newRouter(routes []route) *router {
	r := &router{}
	for i := range routes {
		match := `([^/]+)`
		if strings.HasPrefix(routes[i].path, "/gov/") {
			match = `([^/:]+)`
		}
		expr := "^" + parameter.ReplaceAllLiteralString(regexp.QuoteMeta(routes[i].path), match) + "$"
		r.routes = append(r.routes, compiledRoute{&routes[i], regexp.MustCompile(expr)})
	}
	return r
}

// find returns the endpoint and the path parameters, still percent-encoded.
func (r *router) find(method, path string) (*route, []string, *apiError) {
	var allowed []string
	for _, c := range r.routes {
		m := c.pattern.FindStringSubmatch(path)
		if m == nil {
			continue
		}
		if c.method == method {
			return c.route, m[1:], nil
		}
		allowed = append(allowed, c.method)
	}
	if allowed == nil {
		return nil, nil, failure(http.StatusNotFound, "ResourceNotFound", "Unknown path: "+path+".")
	}
	slices.Sort(allowed)
	allow := strings.Join(slices.Compact(allowed), ", ")
	err := failure(http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "Allowed methods for '"+path+"' are: "+allow+".")
	err.allow = allow
	return nil, nil, err
}
