package manifest

// The problem codes of this package.
const (
	// CodeUnreadable: a file or folder cannot be read.
	CodeUnreadable = "DMN0101"
	// CodeSyntax: a document is not YAML or JSON.
	CodeSyntax = "DMN0102"
	// CodeNotAnObject: a document is no Kubernetes object.
	CodeNotAnObject = "DMN0103"
	// CodeUnknownField: a field does not exist in this kind.
	CodeUnknownField = "DMN0104"
	// CodeWrongType: a value has the wrong type.
	CodeWrongType = "DMN0105"
	// CodeInvalidValue: a value is not allowed.
	CodeInvalidValue = "DMN0106"
	// CodeMissingField: a required field is not set.
	CodeMissingField = "DMN0107"
	// CodeDuplicateObject: an object is defined in two places.
	CodeDuplicateObject = "DMN0108"
	// CodeUnusedKinds: objects of kinds that Daemun does not use were left out.
	CodeUnusedKinds = "DMN0109"
	// CodeOldForm: an object in an old API form was converted.
	CodeOldForm = "DMN0110"
	// CodeUnknownVersion: the apiVersion or kind does not exist.
	CodeUnknownVersion = "DMN0111"
	// CodeTooLarge: a file or document is over the bound.
	CodeTooLarge = "DMN0112"
	// CodeTemplate: a file is a template that must be rendered first.
	CodeTemplate = "DMN0113"
	// CodeSkippedFile: a file belongs to another tool and was left out.
	CodeSkippedFile = "DMN0114"
	// CodeClusterWide: a namespace was dropped from a cluster-wide kind.
	CodeClusterWide = "DMN0115"
	// CodeDuplicateField: a field is written twice in one mapping.
	CodeDuplicateField = "DMN0116"
	// CodeDefaulted: a required field was missing and got a value.
	CodeDefaulted = "DMN0117"
	// CodeEmptyFolder: a folder that was named holds no manifests.
	CodeEmptyFolder = "DMN0118"
)
