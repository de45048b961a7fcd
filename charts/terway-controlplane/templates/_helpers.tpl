{{/* Names are fixed, as published: the program finds its lease, Secret and webhook configurations by them. */}}
{{- define "labels" -}}
app.kubernetes.io/name: terway-controlplane
{{- end }}

{{/* ctrl-config.yaml: the values that have a place of their own, and .Values.config over everything. */}}
{{- define "ctrl-config" -}}
{{- $config := dict
  "regionID" .Values.regionID
  "clusterID" (required "clusterID is required: the id of the cluster, with which every interface is tagged" .Values.clusterID)
  "vpcID" (required "vpcID is required: the id of the cluster's VPC" .Values.vpcID)
  "controllerName" "terway-controlplane"
  "controllerNamespace" .Release.Namespace
  "leaderElection" true
  "leaseDuration" "6s"
  "renewDeadline" "4s"
  "retryPeriod" "1s"
  "healthzBindAddress" "0.0.0.0:8080"
  "metricsBindAddress" "0.0.0.0:8081"
  "webhookPort" 4443
  "certDir" "/var/run/webhook-cert"
  "clusterDomain" "cluster.local"
  "ipStack" "ipv4"
  "enableTrunk" true
  "kubeClientQPS" 100
  "kubeClientBurst" 200
}}
{{- with .Values.controllers }}{{ $_ := set $config "controllers" . }}{{ end }}
{{- with .Values.customStatefulWorkloadKinds }}{{ $_ := set $config "customStatefulWorkloadKinds" . }}{{ end }}
{{- toYaml (mergeOverwrite $config .Values.config) }}
{{- end }}

{{- define "ctrl-secret" -}}
{{- $credential := dict }}
{{- range $key, $value := .Values.credential }}{{ if $value }}{{ $_ := set $credential $key $value }}{{ end }}{{ end }}
{{- toYaml $credential }}
{{- end }}
