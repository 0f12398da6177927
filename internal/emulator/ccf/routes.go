package ccf

import (
	"net/http"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// Lists of policies that endpoints share.
var (
	members   = []authPolicy{memberCert}
	users     = []authPolicy{memberCert, userCert, bearerJWT}
	anybody   = []authPolicy{memberCert, userCert, bearerJWT, noAuth}
	tokenOnly = []authPolicy{bearerJWT, noAuth}
	// tokenNeeded leaves nobody in without one.
	tokenNeeded = []authPolicy{bearerJWT}
)

func (s *Service) routes() []route {
	var all []route
	all = append(all, governanceRoutes()...)
	all = append(all, serviceRoutes()...)
	all = append(all, nodeRoutes()...)
	all = append(all, applicationRoutes()...)
	return append(all, documentRoutes()...)
}

func governanceRoutes() []route {
	const proposals = "/gov/members/proposals"
	const digests = "/gov/members/state-digests/{memberId}"
	return []route{
		{method: http.MethodPost, path: proposals + ":create", signed: cose.TypeProposal, handle: (*call).createProposal},
		{method: http.MethodGet, path: proposals, handle: (*call).listProposals},
		{method: http.MethodGet, path: proposals + "/{proposalId}", handle: (*call).showProposal},
		{method: http.MethodGet, path: proposals + "/{proposalId}/actions", handle: (*call).showActions},
		{method: http.MethodPost, path: proposals + "/{proposalId}:withdraw", signed: cose.TypeWithdrawal, handle: (*call).withdraw},
		{method: http.MethodPost, path: proposals + "/{proposalId}/ballots/{memberId}:submit", signed: cose.TypeBallot, handle: (*call).submitBallot},
		{method: http.MethodGet, path: proposals + "/{proposalId}/ballots/{memberId}", handle: (*call).showBallot},
		{method: http.MethodGet, path: digests, handle: (*call).showDigest},
		{method: http.MethodPost, path: digests + ":update", signed: cose.TypeStateDigest, anyStatus: true, handle: (*call).updateDigest},
		{method: http.MethodPost, path: digests + ":ack", signed: cose.TypeAck, anyStatus: true, handle: (*call).acknowledge},
	}
}

func serviceRoutes() []route {
	get := func(path string, handle func(*call) (any, error)) route {
		return route{method: http.MethodGet, path: "/gov/service/" + path, handle: handle}
	}
	return []route{
		get("info", (*call).serviceInfo),
		get("members", (*call).listMembers),
		get("members/{memberId}", (*call).showMember),
		get("users", (*call).listUsers),
		get("users/{userId}", (*call).showUser),
		get("nodes", (*call).listNodes),
		get("constitution", (*call).constitution),
		get("javascript-app", (*call).jsApp),
		get("javascript-modules", (*call).listModules),
		get("javascript-modules/{moduleName}", (*call).showModule),
		get("join-policy", (*call).emptyObject),
		get("jwk", (*call).showJWK),
		get("transactions/commit", (*call).govLastCommitted),
		get("transactions/{transactionId}", (*call).govTransactionStatus),
	}
}

func nodeRoutes() []route {
	get := func(path string, handle func(*call) (any, error)) route {
		return route{method: http.MethodGet, path: path, node: true, handle: handle}
	}
	return []route{
		get("/node/network", (*call).network),
		get("/node/version", (*call).nodeVersion),
		get("/node/ready/app", (*call).ready),
		get("/node/ready/gov", (*call).noContent),
		get("/app/tx", (*call).transactionStatus),
		get("/gov/tx", (*call).transactionStatus),
		get("/app/commit", (*call).lastCommitted),
		get("/gov/commit", (*call).lastCommitted),
		{method: http.MethodGet, path: "/app/receipt", handle: (*call).receipt},
	}
}

func applicationRoutes() []route {
	const contract = "/app/contracts/{contractId}"
	const option = contract + "/runtimeoptions/{option}"
	const delegates = contract + "/cleanroompolicy/delegates"
	return []route{
		{method: http.MethodGet, path: "/app/contracts", auth: users, handle: (*call).listContracts},
		{method: http.MethodPut, path: contract, auth: members, handle: (*call).putContract},
		{method: http.MethodPost, path: contract, auth: users, handle: (*call).showContract},
		{method: http.MethodPost, path: contract + "/deploymentspec", handle: (*call).showSpec},
		{method: http.MethodPost, path: contract + "/deploymentinfo", handle: (*call).showInfo},
		{method: http.MethodPost, path: contract + "/cleanroompolicy", auth: users, handle: (*call).showPolicy},
		{method: http.MethodGet, path: delegates, auth: users, handle: (*call).listDelegates},
		{method: http.MethodPut, path: delegates + "/{delegateType}/{delegateId}", handle: (*call).putDelegate},
		{method: http.MethodPost, path: delegates + "/{delegateType}/{delegateId}", auth: users, handle: (*call).showDelegate},
		{method: http.MethodPost, path: option + "/status", auth: anybody, handle: (*call).contractOptionStatus},
		{method: http.MethodPost, path: option + "/enable", auth: members, handle: (*call).enableOption},
		{method: http.MethodPost, path: option + "/disable", auth: members, handle: (*call).disableOption},
		{method: http.MethodPost, path: "/app/runtimeoptions/{option}/status", auth: users, handle: (*call).showCGSOption},
		{method: http.MethodGet, path: contract + "/secrets", auth: users, handle: (*call).listSecrets},
		{method: http.MethodPut, path: contract + "/secrets/{secretName}", auth: anybody, handle: (*call).putSecret},
		{method: http.MethodPost, path: contract + "/secrets/{secretId}", handle: (*call).getSecret},
		{method: http.MethodPut, path: contract + "/events", auth: tokenOnly, handle: (*call).putEvent},
		{method: http.MethodGet, path: contract + "/events", auth: users, handle: (*call).listEvents},
		{method: http.MethodPost, path: contract + "/oauth/token", handle: (*call).issueToken},
		{method: http.MethodPost, path: contract + "/ca/status", auth: users, anyToken: true, handle: (*call).authorityStatus},
		{method: http.MethodPost, path: contract + "/ca/generateSigningKey", auth: members, handle: (*call).generateAuthority},
		{method: http.MethodPost, path: contract + "/ca/generateEndorsedCert", handle: (*call).endorse},
		{method: http.MethodGet, path: "/app/oidc/.well-known/openid-configuration", handle: (*call).discovery},
		{method: http.MethodGet, path: "/app/oidc/keys", handle: (*call).issuerKeys},
		{method: http.MethodPost, path: "/app/oidc/generateSigningKey", auth: members, handle: (*call).generateIssuerKey},
		{method: http.MethodPost, path: "/app/oidc/setIssuerUrl", auth: users, handle: (*call).setIssuerURL},
		{method: http.MethodPost, path: "/app/oidc/issuerInfo", auth: users, handle: (*call).issuerInfo},
		{method: http.MethodPost, path: "/app/signing/generateSigningKey", auth: members, handle: (*call).generateSigningKey},
		{method: http.MethodPost, path: "/app/signing/info", auth: users, handle: (*call).signingInfo},
		{method: http.MethodPost, path: contract + "/signing/sign", handle: (*call).signPayload},
		{method: http.MethodGet, path: "/app/proposals/{proposalId}/historical", auth: users, handle: (*call).proposalHistory},
		{method: http.MethodGet, path: "/app/users/identities", auth: users, handle: (*call).listIdentities},
		{method: http.MethodPost, path: "/app/users/identities/{identityId}", auth: users, handle: (*call).showIdentity},
		{method: http.MethodPost, path: "/app/users/identities/self/status", auth: tokenNeeded, handle: (*call).activeUser},
		{method: http.MethodGet, path: "/app/users/invitations", auth: users, anyToken: true, handle: (*call).listInvitations},
		{method: http.MethodPost, path: "/app/users/invitations/{invitationId}", auth: users, anyToken: true, handle: (*call).showInvitation},
		{method: http.MethodPost, path: "/app/users/invitations/{invitationId}/accept", auth: tokenNeeded, anyToken: true, handle: (*call).acceptInvitation},
	}
}

// documentRoutes has each endpoint of documents twice: below the contract it is
// the same, and reads are POST there.
func documentRoutes() []route {
	const contract = "/app/contracts/{contractId}"
	const proposals = "/app/users/proposals"
	const proposal = proposals + "/{proposalId}"
	const option = contract + "/userdocuments/{documentId}/runtimeoptions/{option}"
	all := []route{
		{method: http.MethodPost, path: contract + "/memberdocuments/accepted/{documentId}", handle: (*call).releaseDocument},
		{method: http.MethodPost, path: contract + "/userdocuments/accepted/{documentId}", handle: (*call).releaseUserDocument},
		{method: http.MethodPut, path: proposal, auth: users, handle: (*call).putUserProposal},
		{method: http.MethodPost, path: proposal, auth: users, handle: (*call).showUserProposal},
		{method: http.MethodPost, path: proposal + "/status", auth: users, handle: (*call).userProposalStatus},
		{method: http.MethodPost, path: proposal + "/withdraw", auth: users, handle: (*call).withdrawUserProposal},
		{method: http.MethodPost, path: proposal + "/ballots/submit", auth: users, handle: (*call).submitUserBallot},
		{method: http.MethodPost, path: option + "/status", auth: anybody, handle: (*call).userOptionStatus},
		{method: http.MethodPost, path: option + "/enable", auth: users, handle: (*call).enableUserOption},
		{method: http.MethodPost, path: option + "/disable", auth: users, handle: (*call).disableUserOption},
	}
	for _, below := range []struct{ path, read string }{{"/app", http.MethodGet}, {contract, http.MethodPost}} {
		const document = "/{documentId}"
		all = append(all,
			route{method: http.MethodGet, path: below.path + "/memberdocuments", auth: users, handle: (*call).listDocuments},
			route{method: http.MethodPut, path: below.path + "/memberdocuments" + document, auth: members, handle: (*call).putDocument},
			route{method: below.read, path: below.path + "/memberdocuments" + document, auth: users, handle: (*call).showDocument},
			route{method: http.MethodGet, path: below.path + "/userdocuments", auth: users, handle: (*call).listUserDocuments},
			route{method: http.MethodPut, path: below.path + "/userdocuments" + document, auth: users, handle: (*call).putUserDocument},
			route{method: below.read, path: below.path + "/userdocuments" + document, auth: users, handle: (*call).showUserDocument},
		)
	}
	return all
}
