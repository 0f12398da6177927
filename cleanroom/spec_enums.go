package cleanroom

// The enumerations of the document. Reading is case sensitive and refuses any
// value that is not listed here, naming the nearest one.
type (
	// SandboxType is the kind of sandbox of an application.
	SandboxType string
	// IssuerType tells the three kinds of [TokenIssuer] apart.
	IssuerType string
	// Protocol is how a [ServiceEndpoint] is spoken to.
	Protocol string
	// ResourceType is the kind of a [Resource].
	ResourceType string
	// SecretType is the kind of a [CleanroomSecret].
	SecretType string
	// AccessPointType is the direction of an [AccessPoint].
	AccessPointType string
	// ProxyType is the mechanism in front of an [AccessPoint].
	ProxyType string
	// ProxyMode says whether that mechanism protects.
	ProxyMode string
	// StartType says who starts an [Application].
	StartType string
)

// Values of the enumerations that this package itself writes or tests.
const (
	SandboxNone  SandboxType = "None"
	SandboxType0 SandboxType = "Type_0"

	AttestationBasedTokenIssuer       IssuerType = "AttestationBasedTokenIssuer"
	SecretBasedTokenIssuer            IssuerType = "SecretBasedTokenIssuer"
	FederatedIdentityBasedTokenIssuer IssuerType = "FederatedIdentityBasedTokenIssuer"

	AttestedOIDC           Protocol = "Attested_OIDC"
	AzureADFederated       Protocol = "AzureAD_Federated"
	AzureADSecret          Protocol = "AzureAD_Secret"
	AzureKeyVaultSecret    Protocol = "AzureKeyVault_Secret"
	AzureKeyVaultSecureKey Protocol = "AzureKeyVault_SecureKey"
	CGSSecret              Protocol = "Cgs_Secret"
	ContainerRegistry      Protocol = "AzureContainerRegistry"
	BlobStorage            Protocol = "Azure_BlobStorage"

	KeyVaultResource  ResourceType = "AzureKeyVault"
	CGSResource       ResourceType = "Cgs"
	RegistryResource  ResourceType = "AzureContainerRegistry"
	BlobResource      ResourceType = "Azure_BlobStorage"
	DataLakeResource  ResourceType = "Azure_BlobStorage_DataLakeGen2"
	OneLakeResource   ResourceType = "Azure_OneLake"
	AmazonS3Resource  ResourceType = "Aws_S3"
	secretTypeKey     SecretType   = "Key"
	secretTypeSecret  SecretType   = "Secret"
	proxyAPI          ProxyType    = "API"
	blobReadWrite     ProxyType    = "SecureVolume__ReadWrite__Azure__BlobStorage"
	blobReadOnly      ProxyType    = "SecureVolume__ReadOnly__Azure__BlobStorage"
	ProxySecure       ProxyMode    = "Secure"
	ProxyOpen         ProxyMode    = "Open"
	documentTypeOCI                = "OCI"
	trustHTTPS                     = `{"trustType": "https"}`
	attestationConfig              = "authority"

	VolumeReadWrite AccessPointType = "Volume_ReadWrite"
	VolumeReadOnly  AccessPointType = "Volume_ReadOnly"

	// StartAuto starts the application with the room.
	StartAuto StartType = "Auto"
	// StartManual leaves the start to a call of the room's control API.
	StartManual StartType = "Manual"
)

// enumeration is implemented by each enumerated type.
type enumeration interface{ values() []string }

func (SandboxType) values() []string { return []string{"Type_0", "None"} }
func (IssuerType) values() []string {
	return []string{"AttestationBasedTokenIssuer", "SecretBasedTokenIssuer", "FederatedIdentityBasedTokenIssuer"}
}
func (Protocol) values() []string {
	return []string{
		"AzureAD_Federated", "AzureAD_ManagedIdentity", "AzureAD_Secret", "Attested_OIDC",
		"AzureKeyVault_Secret", "AzureKeyVault_SecureKey", "AzureKeyVault_Key", "AzureKeyVault_Certificate", "Cgs_Secret",
		"Azure_BlobStorage", "Azure_OneLake", "Azure_BlobStorage_DataLakeGen2", "Aws_S3", "AzureContainerRegistry",
	}
}
func (ResourceType) values() []string {
	return []string{
		"Azure_BlobStorage", "Azure_OneLake", "Azure_BlobStorage_DataLakeGen2", "Aws_S3",
		"AzureKeyVault", "Cgs", "AzureContainerRegistry",
	}
}
func (SecretType) values() []string      { return []string{"Secret", "Certificate", "Key"} }
func (AccessPointType) values() []string { return []string{"Volume_ReadWrite", "Volume_ReadOnly"} }
func (ProxyMode) values() []string       { return []string{"Secure", "Open"} }
func (StartType) values() []string       { return []string{"Auto", "Manual"} }
func (ProxyType) values() []string {
	return []string{
		"SecureVolume__ReadOnly__Azure__OneLake", "SecureVolume__ReadWrite__Azure__OneLake",
		"SecureVolume__ReadOnly__Azure__BlobStorage", "SecureVolume__ReadWrite__Azure__BlobStorage",
		"SecureVolume__ReadOnly__Azure__BlobStorage__DataLakeGen2", "SecureVolume__ReadWrite__Azure__BlobStorage__DataLakeGen2",
		"SecureVolume__ReadOnly__Aws__S3", "SecureVolume__ReadWrite__Aws__S3",
		"API", "SecureAPI",
	}
}
