package arm

import (
	"net/http"
	"slices"
	"strings"
)

// containerGroup is what a deployed group does. Nothing runs in it: it comes up
// as it is looked at, and its containers end when [Server.Exit] says so.
type containerGroup struct {
	looks    int
	deleting bool
	ended    map[string]ended // by container
}

type ended struct {
	code   int
	detail string
}

// Exit ends a container of a group, in the state Terminated with a code; with a
// detail that has the word Error in it, the container waits for its end. An
// empty container fails the group. It reports whether there is such a group.
func (s *Server) Exit(subscription, name, containerGroup, container string, code int, detail string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[groupKey(subscription, name)]
	if g == nil {
		return false
	}
	r := g.resources[groupID(containerGroup)]
	if r == nil {
		return false
	}
	g.containers(r.Name).ended[container] = ended{code, detail}
	return true
}

func groupID(name string) string {
	return strings.ToLower("Microsoft.ContainerInstance/containerGroups " + name)
}

// containers is the state of a group, kept beside its resource.
func (g *group) containers(name string) *containerGroup {
	id := groupID(name)
	if g.running == nil {
		g.running = map[string]*containerGroup{}
	}
	if g.running[id] == nil {
		g.running[id] = &containerGroup{ended: map[string]ended{}}
	}
	return g.running[id]
}

func (s *Server) handleGroup(r *http.Request, parts []string) (int, any, *Error) {
	if err := s.authorize(r, parts[1]); err != nil {
		return 0, nil, err
	}
	if v := r.URL.Query().Get("api-version"); !slices.Contains([]string{"2023-05-01"}, v) {
		return 0, nil, refuse(http.StatusBadRequest, "InvalidResourceType", "The api-version '"+v+"' is not supported for 'containerGroups'.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[groupKey(parts[1], parts[3])]
	if g == nil {
		return 0, nil, refuse(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+parts[3]+"' could not be found.")
	}
	id := groupID(parts[7])
	res := g.resources[id]
	switch {
	case r.Method == http.MethodDelete && res == nil:
		return http.StatusNoContent, nil, nil
	case r.Method == http.MethodDelete:
		g.containers(res.Name).deleting = true
		return http.StatusOK, map[string]any{"name": res.Name}, nil
	case r.Method != http.MethodGet:
		return 0, nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method+" is not supported.")
	}
	if res == nil {
		return 0, nil, refuse(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.ContainerInstance/containerGroups/"+parts[7]+"' under resource group '"+parts[3]+"' was not found.")
	}
	state := g.containers(res.Name)
	state.looks++
	view := state.view(res)
	if state.deleting { // it is seen once more
		delete(g.resources, id)
		delete(g.running, id)
	}
	return http.StatusOK, view, nil
}

// view is the answer: Pending at the first look, Running from then on.
func (c *containerGroup) view(r *Resource) any {
	group, container := "Running", "Running"
	if c.looks == 1 {
		group, container = "Pending", "Waiting"
	}
	if _, failed := c.ended[""]; failed {
		group = "Failed"
	}
	var containers []any
	declared, _ := r.Properties["containers"].([]any)
	for _, d := range declared {
		fields, _ := d.(map[string]any)
		name, _ := fields["name"].(string)
		current := map[string]any{"state": container, "detailStatus": ""}
		if e, ok := c.ended[name]; ok && strings.Contains(e.detail, "Error") {
			current = map[string]any{"state": "Waiting", "detailStatus": e.detail}
		} else if ok {
			current = map[string]any{"state": "Terminated", "exitCode": e.code, "detailStatus": e.detail}
		}
		containers = append(containers, map[string]any{"name": name, "properties": map[string]any{"instanceView": map[string]any{"restartCount": 0, "currentState": current}}})
	}
	properties := map[string]any{"provisioningState": "Succeeded", "instanceView": map[string]any{"state": group, "events": []any{}}, "containers": containers}
	if address, ok := r.Properties["ipAddress"].(map[string]any); ok {
		properties["ipAddress"] = map[string]any{"ip": "203.0.113.7", "type": "Public", "ports": address["ports"]}
	}
	return map[string]any{"name": r.Name, "type": r.Type, "location": r.Location, "properties": properties}
}
