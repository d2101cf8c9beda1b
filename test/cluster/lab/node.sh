#!/bin/sh
# The first process of a real node: it runs in network, mount and process
# namespaces of its own, and all of the node ends with it. From the environment:
# DIR (the node's files), NAME, ADDRESS, GATEWAY, SERVICES, KUBE, IMAGES.
set -eu
mount --make-rprivate /
mount -t proc proc /proc

# What containerd and the kubelet write outside of DIR stays in this namespace.
for d in /run/netns /run/containerd /var/lib/kubelet /var/log/containers /var/log/pods; do
	mkdir -p $d
	mount -t tmpfs tmpfs $d
done
# The kubelet insists on these settings of the kernel: let it see them, and leave
# those of the machine as they are.
for kv in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	f="$DIR/sysctl-$(echo "${kv%=*}" | tr / -)"
	echo "${kv#*=}" >"$f"
	mount --bind "$f" "/proc/sys/${kv%=*}"
done

# The other end of eth0 is given to us.
i=0
until ip link show eth0 >/dev/null 2>&1; do
	i=$((i + 1))
	[ $i -lt 300 ] || exit 1
	sleep 0.1
done
ip link set lo up
ip addr add "$ADDRESS/24" dev eth0
ip link set eth0 up
ip route add default via "$GATEWAY"
echo 1 >/proc/sys/net/ipv4/ip_forward

containerd --config "$DIR/containerd.toml" >"$DIR/containerd.log" 2>&1 &
i=0
until ctr -a "$DIR/c.sock" version >/dev/null 2>&1; do
	i=$((i + 1))
	[ $i -lt 300 ] || exit 1
	sleep 0.1
done
for image in $IMAGES; do
	ctr -a "$DIR/c.sock" -n k8s.io images import "$image"
done
"$KUBE" kubelet --config "$DIR/kubelet.yaml" --kubeconfig "$DIR/kubeconfig" --root-dir "$DIR/kubelet" --cert-dir "$DIR/certs" \
	--node-ip "$ADDRESS" --hostname-override "$NAME" >"$DIR/kubelet.log" 2>&1 &
"$KUBE" proxy --config "$DIR/proxy.yaml" >"$DIR/proxy.log" 2>&1 &
wait
