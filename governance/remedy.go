package governance

// remedies has an entry for each code of the flows of this package.
var remedies = map[string]string{
	"InvalidAuthenticationInfo":  "only an active member's key may sign: activate the member first, or check that certificate and key belong to a member of this service",
	"AuthorizationFailed":        "only the member who made a proposal may withdraw it, and only a member whom the others let in may activate itself",
	"ProposalNotFound":           "the id is wrong, or the proposal was decided earlier: of the decided ones only the last stays readable",
	"ProposalNotOpen":            "the proposal is decided; read it, and make a new one if it did not pass",
	"ProposalReplay":             "this very message was accepted before: list the proposals to find it",
	"ProposalFailedToValidate":   "correct the actions: names and arguments must be known, and a policy, deployment spec or option needs an accepted contract first",
	"ProposalCreatedTooLongAgo":  "the clock of this machine is behind those of the other members; correct it",
	"InvalidCreatedAt":           "the clock of this machine is wrong; correct it",
	"VoteAlreadyExists":          "a vote cannot be changed; the proposer can withdraw the proposal and make it again",
	"VoteNotFound":               "the member has not voted",
	"StateDigestMismatch":        "activate the member again: the digest changed in between",
	"InvalidResourceName":        "ids of members and proposals have 64 hex digits",
	"FrontendNotOpen":            "the service is not open yet: accept a proposal of OpenService, then wait for the service to be ready",
	"ContractNotFound":           "create the contract first, or check its id",
	"ContractAlreadyExists":      "read the contract and update it with its current version",
	"ContractAlreadyAccepted":    "an accepted contract cannot be changed; make a new one under another id",
	"ContractNotAccepted":        "all members must accept the contract first",
	"PreconditionFailed":         "somebody changed the contract; read it again and decide anew",
	"DataMissing":                "a contract needs data that is not empty",
	"InvalidOption":              "the options are execution, logging and telemetry; the last two change by proposal only",
	"ValueMissing":               "a secret needs a value that is not empty",
	"ValueTooLarge":              "a secret has at most 25600 UTF-16 units; store the rest elsewhere and a reference here",
	"SecretNotFound":             "use the id that setting the secret returned: <member id>_<name>",
	"AttestationMissing":         "the service did not recognise the caller's certificate as a member's; join as a member, or come with evidence",
	"EncryptionMissing":          "send the public key that the evidence names",
	"VerifySnpAttestationFailed": "compare the claims of the room's evidence with the contract's accepted clean room policy",
	"ReportDataMismatch":         "the evidence was made for another key; make it for the public key that is sent",
	"SignatureMismatch":          "the data was not signed with the key that the evidence names",
	"UnsupportedPlatform":        "this service takes other evidence than that of a confidential container group",
	"SigningKeyNotAvailable":     "a member must generate the issuer's signing key first",
	"OidcIssuerNotEnabled":       "accept a proposal of EnableOIDCIssuer first",
	"IssuerUrlNotSet":            "a member of the tenant must publish the issuer's documents and set their URL first",
	"InvalidUrl":                 "the issuer's URL must begin with https://",
	"NoTenantId":                 "the member's data has no tenantId; propose SetMemberData with it",
	"InvalidInput":               "a parameter of the request is missing",
	"TimestampTooLarge":          "the clock of this machine is wrong; correct it",
	"UnsupportedApiVersionValue": "the service does not speak governance api-version " + apiVersion,
	"MissingApiVersionParameter": "the service does not speak governance api-version " + apiVersion,
	"UnsupportedHttpVerb":        "the service is of another release than 8.0.0",
	"ViewNotKnown":               "the service has no leader at the moment; try again",
	"InvalidQueryParameterValue": "a parameter of the request is malformed",
	"InvalidParameter":           "a parameter of the request is malformed",
	"SignatureMissing":           "the event was not signed; something on the way changes requests",
	"TimestampMissing":           "the event has no time; something on the way changes requests",
	"RequestBodyTooLarge":        "send less: a large file belongs into storage, and its digest here",
	"CANotEnabled":               "accept a proposal of EnableCA for the contract first",
	"NoCASigningKey":             "a member must generate the key of the contract's CA first: CAClient.GenerateSigningKey",
	"InternalError":              "a script of the service failed; the details say why if the service was set up to show them (return_exception_details)",
}

func remedy(e *ServiceError) string {
	switch {
	case e.Code == "InternalError" && e.mentions("apply"):
		return "accepting the proposal failed in the service: one of its actions cannot be carried out as things stand; withdraw it and propose what can be"
	case e.Code == "ResourceNotFound" && e.StatusCode == 404:
		return "the service does not have this resource; check the id, and that it runs release 8.0.0"
	}
	return remedies[e.Code]
}
