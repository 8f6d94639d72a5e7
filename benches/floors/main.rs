//! Servers that decide nothing: the floor under what a server with axum, hyper or tonic can be. `purser bench` takes them
//! for a purser. One thread; prints where it listens.

#[path = "../serve/echo.rs"]
mod axum_echo;
mod hyper_echo;
mod tonic_echo;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    match &*which {
        "axum" => {
            println!("http://{}", axum_echo::start().address());
            loop {
                std::thread::park();
            }
        }
        "hyper" => run(hyper_echo::serve),
        "tonic" => run(tonic_echo::serve),
        _ => {
            eprintln!("which? axum, hyper or tonic");
            std::process::exit(64);
        }
    }
}

/// Serves on a free port, on this thread.
fn run<F: Future<Output = std::io::Result<()>>>(serve: impl FnOnce(tokio::net::TcpListener) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        serve(listener).await
    });
    served.expect("it listens until it is killed");
}
