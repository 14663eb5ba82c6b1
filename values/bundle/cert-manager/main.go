// Command cert-manager runs cert-manager's own controllers for issuers that sign by themselves, with an authority's
// key, or through Vault. Upstream's command for them is a module of its own that module proxies do not serve; this one
// starts the same controllers out of the library that they do serve, and leaves ACME and its providers out.
//
// It runs alone: a Deployment with one replica and strategy Recreate takes the place of an election.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/component-base/logs"
	"k8s.io/klog/v2"

	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	requestsca "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	requestsself "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	requestsvault "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/vault"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	"github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	"github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/vault"
)

// What runs; every other controller of the library stays out of this program.
var wanted = []string{
	approver.ControllerName,
	requestsca.CRControllerName,
	requestsself.CRControllerName,
	requestsvault.CRControllerName,
	issuing.ControllerName,
	keymanager.ControllerName,
	readiness.ControllerName,
	requestmanager.ControllerName,
	revisionmanager.ControllerName,
	trigger.ControllerName,
	clusterissuers.ControllerName,
	issuers.ControllerName,
}

const (
	// Of each controller. Upstream's default is five; a lab has a handful of certificates.
	workers = 2
	// After a refusal. Upstream's hour would outlast a drill that takes Vault away for a minute.
	firstRetry = 15 * time.Second
	lastRetry  = time.Hour
	// How long open scrapes and probes may take once the program ends.
	grace = 5 * time.Second
)

func main() {
	namespace := flag.String("cluster-resource-namespace", "cert-manager", "where ClusterIssuers have their Secrets")
	listen := flag.String("listen", ":9402", "address of /metrics, /livez and /readyz")
	klog.InitFlags(nil)
	flag.Parse()
	logs.InitLogs()
	defer logs.FlushLogs()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace, *listen); err != nil {
		klog.ErrorS(err, "Ended")
		logs.FlushLogs()
		os.Exit(1)
	}
}

// run returns when ctx ends, or with the first error of a controller or of the server.
func run(ctx context.Context, namespace, listen string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	factory, err := controller.NewContextFactory(ctx, options(namespace))
	if err != nil {
		return fmt.Errorf("the API server's clients: %w", err)
	}
	shared, err := factory.Build()
	if err != nil {
		return fmt.Errorf("the shared caches: %w", err)
	}
	running := make([]controller.Interface, 0, len(wanted))
	for _, name := range wanted {
		one, err := build(factory, name)
		if err != nil {
			return err
		}
		running = append(running, one)
	}

	var ready atomic.Bool
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", listen, err)
	}
	server := shared.Metrics.NewServer(socket)
	server.Handler = withHealth(server.Handler, &ready)

	var group sync.WaitGroup
	group.Go(func() {
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve at %s: %w", listen, err))
		}
	})
	for i, one := range running {
		group.Go(func() {
			if err := one.Run(workers, ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("controller %s: %w", wanted[i], err))
			}
		})
	}
	// Informers that controllers asked for while they were built begin here.
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.SharedInformerFactory.WaitForCacheSync(ctx.Done())
	shared.KubeSharedInformerFactory.WaitForCacheSync(ctx.Done())
	ready.Store(ctx.Err() == nil)

	<-ctx.Done()
	ready.Store(false)
	ending, done := context.WithTimeout(context.Background(), grace)
	defer done()
	stopped := server.Shutdown(ending)
	group.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return stopped
}

func build(factory *controller.ContextFactory, name string) (controller.Interface, error) {
	construct, known := controller.Known()[name]
	if !known {
		return nil, fmt.Errorf("this release of cert-manager has no controller %s", name)
	}
	one, err := construct(factory)
	if err != nil {
		return nil, fmt.Errorf("controller %s: %w", name, err)
	}
	return one, nil
}

func options(namespace string) controller.ContextOptions {
	return controller.ContextOptions{
		KubernetesAPIQPS:   20,
		KubernetesAPIBurst: 50,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: namespace},
		CertificateOptions: controller.CertificateOptions{
			CertificateRequestMinimumBackoffDuration: firstRetry,
			CertificateRequestMaximumBackoffDuration: lastRetry,
		},
	}
}

// withHealth answers the kubelet beside the metrics: alive as long as it answers, ready once every cache is filled.
func withHealth(metrics http.Handler, ready *atomic.Bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", metrics)
	mux.HandleFunc("/livez", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(answer http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(answer, "the caches are not filled yet", http.StatusServiceUnavailable)
		}
	})
	return mux
}
