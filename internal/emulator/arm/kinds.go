package arm

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// kind is a type of resource: its api-versions, what its name may be, which
// properties it must have, and what its provider adds or refuses.
type kind struct {
	versions []string
	name     *regexp.Regexp // of the last segment
	required []string
	fill     func(s *Server, g *group, r *Resource) *Details
}

func (k kind) hasVersion(v string) bool { return slices.Contains(k.versions, v) }

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

var kinds map[string]kind

func init() { // the functions refer to each other by the table
	kinds = map[string]kind{
		"microsoft.keyvault/vaults":                                                     {[]string{"2022-07-01", "2023-07-01"}, regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9-]{1,22})[A-Za-z0-9]$`), []string{"tenantId", "sku"}, fillVault},
		"microsoft.keyvault/managedhsms":                                                {[]string{"2022-07-01", "2023-07-01"}, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$`), []string{"tenantId", "initialAdminObjectIds"}, fillHSM},
		"microsoft.storage/storageaccounts":                                             {[]string{"2022-09-01", "2023-01-01", "2023-05-01"}, regexp.MustCompile(`^[a-z0-9]{3,24}$`), nil, fillStorage},
		"microsoft.managedidentity/userassignedidentities":                              {[]string{"2023-01-31"}, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`), nil, fillIdentity},
		"microsoft.managedidentity/userassignedidentities/federatedidentitycredentials": {[]string{"2023-01-31"}, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$`), []string{"issuer", "subject", "audiences"}, fillFederation},
		"microsoft.authorization/roleassignments":                                       {[]string{"2022-04-01"}, guid, []string{"roleDefinitionId", "principalId"}, fillRole},
		"microsoft.containerinstance/containergroups":                                   {[]string{"2023-05-01"}, regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`), []string{"containers", "osType"}, fillGroup},
	}
}

// make lets the provider of the type take a resource.
func (k kind) make(s *Server, g *group, r *Resource) *Details {
	last := r.Name[strings.LastIndexByte(r.Name, '/')+1:]
	if !k.name.MatchString(last) {
		return &Details{Code: "InvalidResourceName", Message: "The resource name '" + last + "' is invalid."}
	}
	for _, p := range k.required {
		if v, ok := r.Properties[p]; !ok || v == nil || v == "" {
			return &Details{Code: "BadRequest", Message: "The property '" + p + "' of '" + r.Type + "' is required."}
		}
	}
	return k.fill(s, g, r)
}

// elsewhere reports whether another group has a name that is unique in all of
// Azure.
func (s *Server) elsewhere(g *group, r *Resource) bool {
	for other := range maps.Values(s.groups) {
		if other != g && other.resources[strings.ToLower(r.Type+" "+r.Name)] != nil {
			return true
		}
	}
	return false
}

func fillVault(s *Server, g *group, r *Resource) *Details {
	sku, _ := r.Properties["sku"].(map[string]any)
	switch {
	case s.elsewhere(g, r):
		return &Details{Code: "VaultAlreadyExists", Message: "The vault name '" + r.Name + "' is already in use."}
	case r.Location == "":
		return &Details{Code: "LocationRequired", Message: "The location property is required."}
	case sku["family"] != "A" || sku["name"] != "premium" && sku["name"] != "standard":
		return &Details{Code: "BadRequest", Message: "The property 'sku' is invalid."}
	case r.Properties["tenantId"] != s.opts.Tenants[strings.ToLower(g.subscription)]:
		return &Details{Code: "BadRequest", Message: "The property 'tenantId' is not the tenant of the subscription."}
	}
	r.Properties["vaultUri"] = "https://" + strings.ToLower(r.Name) + ".vault.azure.net/"
	return nil
}

// fillHSM takes a Managed HSM, which serves no key before its activation.
func fillHSM(s *Server, g *group, r *Resource) *Details {
	admins, _ := r.Properties["initialAdminObjectIds"].([]any)
	switch {
	case s.elsewhere(g, r):
		return &Details{Code: "ManagedHSMAlreadyExists", Message: "The Managed HSM name '" + r.Name + "' is already in use."}
	case r.Location == "":
		return &Details{Code: "LocationRequired", Message: "The location property is required."}
	case r.SKU["family"] != "B" || r.SKU["name"] != "Standard_B1" && r.SKU["name"] != "Custom_B32":
		return &Details{Code: "BadRequest", Message: "The property 'sku' is invalid."}
	case len(admins) == 0:
		return &Details{Code: "BadRequest", Message: "The property 'initialAdminObjectIds' needs at least one administrator."}
	case r.Properties["tenantId"] != s.opts.Tenants[strings.ToLower(g.subscription)]:
		return &Details{Code: "BadRequest", Message: "The property 'tenantId' is not the tenant of the subscription."}
	}
	r.Properties["hsmUri"] = "https://" + strings.ToLower(r.Name) + ".managedhsm.azure.net/"
	return nil
}

func fillStorage(s *Server, g *group, r *Resource) *Details {
	switch {
	case s.elsewhere(g, r):
		return &Details{Code: "StorageAccountAlreadyTaken", Message: "The storage account named " + r.Name + " is already taken."}
	case r.Location == "":
		return &Details{Code: "LocationRequired", Message: "The location property is required."}
	case r.Kind != "StorageV2" || r.SKU["name"] == nil:
		return &Details{Code: "InvalidValuesForRequestParameters", Message: "Values for request parameters are invalid: kind, sku."}
	}
	r.Properties["primaryEndpoints"] = map[string]any{"blob": "https://" + r.Name + ".blob.core.windows.net/", "web": "https://" + r.Name + ".z6.web.core.windows.net/"}
	return nil
}

func fillIdentity(s *Server, g *group, r *Resource) *Details {
	if r.Location == "" {
		return &Details{Code: "LocationRequired", Message: "The location property is required."}
	}
	for i, p := range []string{"clientId", "principalId"} {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", i, groupKey(g.subscription, g.name), r.Name))
		r.Properties[p] = fmt.Sprintf("%x-%x-4%x-8%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
		r.Properties[p] = normalGUID(r.Properties[p].(string))
	}
	r.Properties["tenantId"] = s.opts.Tenants[strings.ToLower(g.subscription)]
	return nil
}

// normalGUID cuts each group to its length.
func normalGUID(s string) string {
	parts := strings.Split(s, "-")
	for i, n := range []int{8, 4, 4, 4, 12} {
		parts[i] = parts[i][:n]
	}
	return strings.Join(parts, "-")
}

func fillFederation(_ *Server, g *group, r *Resource) *Details {
	audiences, _ := r.Properties["audiences"].([]any)
	issuer, _ := r.Properties["issuer"].(string)
	subject, _ := r.Properties["subject"].(string)
	if len(audiences) != 1 || !strings.HasPrefix(issuer, "https://") || subject == "" {
		return &Details{Code: "BadRequest", Message: "A federated identity credential needs an https issuer, a subject and one audience."}
	}
	parent, n := strings.ToLower(r.Type+" "+r.Name[:strings.LastIndexByte(r.Name, '/')+1]), 0
	for id, other := range g.resources {
		if !strings.HasPrefix(id, parent) || strings.EqualFold(other.Name, r.Name) {
			continue
		}
		n++
		if other.Properties["issuer"] == issuer && other.Properties["subject"] == subject {
			return &Details{Code: "BadRequest", Message: "Issuer and subject combination already exists for this managed identity."}
		}
	}
	if n >= 20 {
		return &Details{Code: "BadRequest", Message: "Too many federated identity credentials: at most 20."}
	}
	return nil
}

// roles are the definitions that the scenario has.
var roles = map[string]bool{
	"00482a5a-887f-4fb3-b363-3b7fe8e74483": true, "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": true, "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": true,
	"08bbd89e-9f13-488c-ac41-acfcb10c90ab": true, "4633458b-17de-408a-b874-0445c86b69e6": true, "ba92f5b4-2d11-453d-a403-e96b0029c9fe": true,
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": true, "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": true,
}

func fillRole(_ *Server, g *group, r *Resource) *Details {
	role, _ := r.Properties["roleDefinitionId"].(string)
	principal, _ := r.Properties["principalId"].(string)
	if !roles[role[strings.LastIndexByte(role, '/')+1:]] {
		return &Details{Code: "RoleDefinitionDoesNotExist", Message: "The specified role definition '" + role + "' does not exist."}
	}
	if !guid.MatchString(strings.ToLower(principal)) {
		return &Details{Code: "InvalidPrincipalId", Message: "A valid principal ID must be provided for role assignment."}
	}
	if r.Properties["principalType"] == nil {
		return &Details{Code: "PrincipalNotFound", Message: "Principal " + principal + " does not exist in the directory. If you just created it, set principalType."}
	}
	for id, other := range g.resources {
		if strings.HasPrefix(id, "microsoft.authorization/roleassignments ") && other.Name != r.Name && other.Scope == r.Scope && other.Properties["roleDefinitionId"] == role && other.Properties["principalId"] == principal {
			return &Details{Code: "RoleAssignmentExists", Message: "The role assignment already exists."}
		}
	}
	return nil
}

func fillGroup(_ *Server, _ *group, r *Resource) *Details {
	containers, _ := r.Properties["containers"].([]any)
	confidential, _ := r.Properties["confidentialComputeProperties"].(map[string]any)
	if len(containers) == 0 || r.Properties["osType"] != "Linux" {
		return &Details{Code: "InvalidContainers", Message: "The container group needs containers on Linux."}
	}
	if r.Properties["sku"] == "Confidential" || r.Properties["sku"] == "confidential" {
		if policy, _ := confidential["ccePolicy"].(string); policy == "" {
			return &Details{Code: "InvalidCcePolicy", Message: "The policy of the confidential container group is missing."}
		}
	}
	return nil
}
