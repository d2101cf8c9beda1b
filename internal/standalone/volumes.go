package standalone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/process"
	"daemun/internal/store"
)

// volumePath is the directory (or file, for a hostPath) behind a volume.
func (w *worker) volumePath(name string) string {
	for i := range w.pod.Spec.Volumes {
		v := &w.pod.Spec.Volumes[i]
		if v.Name != name {
			continue
		}
		switch {
		case v.HostPath != nil:
			return v.HostPath.Path
		case v.PersistentVolumeClaim != nil:
			return filepath.Join(w.host.cfg.StateDir, "claims", pathName(w.pod.Namespace), pathName(v.PersistentVolumeClaim.ClaimName))
		}
	}
	return filepath.Join(w.folder(), "volumes", pathName(name))
}

// makeVolumes makes and fills all volumes. m says what a volume refers to that
// does not exist, err what the machine refused.
func (w *worker) makeVolumes() (m *missing, err error) {
	for i := range w.pod.Spec.Volumes {
		m, err := w.makeVolume(&w.pod.Spec.Volumes[i])
		if m != nil {
			m.field = fmt.Sprintf("volumes[%d]", i)
			return m, nil
		}
		if err != nil {
			return nil, fmt.Errorf("volume %q: %w", w.pod.Spec.Volumes[i].Name, err)
		}
	}
	if ok, reason := w.host.rt.Mounts(); !ok && w.hasMounts() {
		w.mu.Lock()
		w.problems[CodeMounts] = ir.Problem{
			Code: CodeMounts, Severity: ir.SeverityNotice,
			Message: "volumes cannot be shown at their mount paths on this machine (" + reason + "); containers find each one's folder in $DAEMUN_VOLUME_<NAME>",
		}
		w.mu.Unlock()
	}
	return nil, nil
}

func (w *worker) hasMounts() bool {
	for _, c := range w.pod.Spec.Containers {
		if len(c.VolumeMounts) > 0 {
			return true
		}
	}
	return false
}

func (w *worker) makeVolume(v *corev1.Volume) (*missing, error) {
	dir := w.volumePath(v.Name)
	switch {
	case v.HostPath != nil:
		return nil, makeHostPath(v.HostPath)
	case v.EmptyDir != nil, v.VolumeSource == (corev1.VolumeSource{}):
		return nil, os.MkdirAll(dir, 0o777)
	case v.PersistentVolumeClaim != nil:
		w.notice(v, "claims are folders of this machine, below "+filepath.Dir(dir))
		return nil, os.MkdirAll(dir, 0o777)
	}
	p, m := payloadOf(v, w.pod, w.host.view())
	if m != nil {
		return m, nil
	}
	if p == nil {
		w.notice(v, "volumes of this kind do not exist on one machine; the folder is empty. Use emptyDir, hostPath, configMap, secret, downwardAPI, projected or persistentVolumeClaim")
		return nil, os.MkdirAll(dir, 0o777)
	}
	return nil, p.write(dir)
}

func (w *worker) notice(v *corev1.Volume, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.pod.Spec.Volumes {
		if &w.pod.Spec.Volumes[i] == v {
			w.problemLocked(CodeVolume, fmt.Sprintf("spec.volumes[%d]", i), fmt.Sprintf("volume %q: %s", v.Name, text), ir.SeverityNotice)
		}
	}
}

// makeHostPath checks or makes what its type asks for.
func makeHostPath(h *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if h.Type != nil {
		kind = *h.Type
	}
	if !filepath.IsAbs(h.Path) {
		return fmt.Errorf("hostPath %q must be absolute", h.Path)
	}
	switch kind {
	case corev1.HostPathDirectoryOrCreate:
		return os.MkdirAll(h.Path, 0o755)
	case corev1.HostPathFileOrCreate:
		f, err := os.OpenFile(h.Path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	}
	info, err := os.Stat(h.Path)
	if err != nil {
		return err
	}
	is := map[corev1.HostPathType]bool{
		corev1.HostPathUnset: true, corev1.HostPathDirectory: info.IsDir(), corev1.HostPathFile: info.Mode().IsRegular(),
		corev1.HostPathSocket: info.Mode()&fs.ModeSocket != 0, corev1.HostPathCharDev: info.Mode()&fs.ModeCharDevice != 0,
		corev1.HostPathBlockDev: info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0,
	}
	if !is[kind] {
		return fmt.Errorf("%s is no %s", h.Path, kind)
	}
	return nil
}

// followVolumes writes volumes anew when what they show has changed.
func (w *worker) followVolumes(ctx context.Context) {
	for {
		news := w.news()
		for i := range w.pod.Spec.Volumes {
			v := &w.pod.Spec.Volumes[i]
			p, m := payloadOf(v, w.pod, w.host.view())
			if p == nil || m != nil {
				continue // a running container keeps what it has
			}
			field := fmt.Sprintf("spec.volumes[%d]", i)
			err := p.write(w.volumePath(v.Name))
			if err != nil {
				w.update(func() { w.problemLocked(CodeVolume, field, err.Error(), ir.SeverityError) })
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// mounts are the volume mounts of a container, with subpaths resolved.
func (w *worker) mounts(c *corev1.Container, env *environment) ([]process.Mount, error) {
	var out []process.Mount
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		source := w.volumePath(m.Name)
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, env.get)
		}
		if sub != "" {
			var err error
			if source, err = subPath(source, sub); err != nil {
				return nil, fmt.Errorf("volume %q: %w", m.Name, err)
			}
		}
		out = append(out, process.Mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly || w.readOnly(m.Name)})
	}
	return out, nil
}

// readOnly volumes are those a cluster never lets a container write.
func (w *worker) readOnly(name string) bool {
	for _, v := range w.pod.Spec.Volumes {
		if v.Name == name {
			return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil
		}
	}
	return false
}

// subPath resolves a path inside a volume; what leads out of it is refused,
// also through symbolic links. A missing one is made, as a cluster does.
func subPath(volume, sub string) (string, error) {
	if !filepath.IsLocal(sub) {
		return "", fmt.Errorf("subPath %q must be relative and stay inside the volume", sub)
	}
	root, err := os.OpenRoot(volume)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Stat(sub); errors.Is(err, fs.ErrNotExist) {
		if err := root.MkdirAll(sub, 0o777); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	// The link of an atomically written file leads to the version that is
	// there now: a subPath mount does not follow updates.
	return filepath.EvalSymlinks(filepath.Join(volume, sub))
}

// payload is the content of a volume made of API objects: relative file name →
// content.
type payload struct {
	files map[string]payloadFile
}

type payloadFile struct {
	data []byte
	mode fs.FileMode
}

func (p *payload) add(name string, data []byte, mode *int32) *missing {
	if !filepath.IsLocal(name) || strings.HasPrefix(name, "..") {
		return &missing{text: fmt.Sprintf("%q cannot be a file name in a volume; it must be a relative path without ..", name)}
	}
	bits := fs.FileMode(0o644)
	if mode != nil {
		bits = fs.FileMode(*mode) & fs.ModePerm
	}
	p.files[filepath.Clean(name)] = payloadFile{data, bits}
	return nil
}

// payloadOf is the content of a volume as of the view, nil for volumes of
// other kinds.
func payloadOf(v *corev1.Volume, pod *corev1.Pod, view *store.View) (*payload, *missing) {
	p := &payload{files: map[string]payloadFile{}}
	switch {
	case v.ConfigMap != nil:
		s := v.ConfigMap
		return p, p.configMap(view, pod.Namespace, s.Name, selection{s.Items, s.DefaultMode, s.Optional})
	case v.Secret != nil:
		s := v.Secret
		return p, p.secret(view, pod.Namespace, s.SecretName, selection{s.Items, s.DefaultMode, s.Optional})
	case v.DownwardAPI != nil:
		return p, p.downward(pod, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil && isTokenVolume(v):
		return p, p.downwardOnly(pod, v.Projected)
	case v.Projected != nil:
		return p, p.projected(pod, v.Projected, view)
	}
	return nil, nil
}

func (p *payload) projected(pod *corev1.Pod, v *corev1.ProjectedVolumeSource, view *store.View) *missing {
	for _, s := range v.Sources {
		var m *missing
		switch {
		case s.ConfigMap != nil:
			m = p.configMap(view, pod.Namespace, s.ConfigMap.Name, selection{s.ConfigMap.Items, v.DefaultMode, s.ConfigMap.Optional})
		case s.Secret != nil:
			m = p.secret(view, pod.Namespace, s.Secret.Name, selection{s.Secret.Items, v.DefaultMode, s.Secret.Optional})
		case s.DownwardAPI != nil:
			m = p.downward(pod, s.DownwardAPI.Items, v.DefaultMode)
		}
		if m != nil {
			return m
		}
	}
	return nil
}

// downwardOnly is the token volume of a cluster without what only an API server
// has.
func (p *payload) downwardOnly(pod *corev1.Pod, v *corev1.ProjectedVolumeSource) *missing {
	for _, s := range v.Sources {
		if s.DownwardAPI == nil {
			continue
		}
		if m := p.downward(pod, s.DownwardAPI.Items, v.DefaultMode); m != nil {
			return m
		}
	}
	return nil
}

// selection is what ConfigMap and Secret volumes say about their keys.
type selection struct {
	items    []corev1.KeyToPath
	mode     *int32
	optional *bool
}

func (p *payload) configMap(view *store.View, ns, name string, sel selection) *missing {
	cm := view.ConfigMaps[store.Name{Namespace: ns, Name: name}]
	if cm == nil {
		return missingObject("ConfigMap", ns, name, sel.optional)
	}
	data := map[string][]byte{}
	for k, v := range cm.Data {
		data[k] = []byte(v)
	}
	for k, v := range cm.BinaryData {
		data[k] = v
	}
	return p.keys("ConfigMap", store.Name{Namespace: ns, Name: name}, data, sel)
}

func (p *payload) secret(view *store.View, ns, name string, sel selection) *missing {
	s := view.Secrets[store.Name{Namespace: ns, Name: name}]
	if s == nil {
		return missingObject("Secret", ns, name, sel.optional)
	}
	data := map[string][]byte{}
	for k, v := range secretText(s) {
		data[k] = []byte(v)
	}
	return p.keys("Secret", store.Name{Namespace: ns, Name: name}, data, sel)
}

func (p *payload) keys(kind string, name store.Name, data map[string][]byte, sel selection) *missing {
	if sel.items == nil {
		for k, v := range data {
			if !validKey(k) {
				continue // the API server refuses such keys; they must not become paths
			}
			if m := p.add(k, v, sel.mode); m != nil {
				return m
			}
		}
		return nil
	}
	for _, item := range sel.items {
		value, ok := data[item.Key]
		if !ok {
			if m := missingKey(kind, name.Namespace, name.Name, item.Key, sel.optional); m != nil {
				return m
			}
			continue
		}
		if m := p.add(item.Path, value, cmp.Or(item.Mode, sel.mode)); m != nil {
			return m
		}
	}
	return nil
}

func (p *payload) downward(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, mode *int32) *missing {
	for i := range items {
		item := &items[i]
		value, ok := "", false
		switch {
		case item.FieldRef != nil:
			value, ok = podField(pod, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			value, ok = resourceField(pod, nil, item.ResourceFieldRef)
		}
		if !ok {
			return &missing{text: fmt.Sprintf("downwardAPI file %q names a field that is not known", item.Path)}
		}
		if m := p.add(item.Path, []byte(value), cmp.Or(item.Mode, mode)); m != nil {
			return m
		}
	}
	return nil
}
