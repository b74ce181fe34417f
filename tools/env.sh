# Source this in bash: a shell in which `vla`, python and colcon see the embedded ROS 2 and this workspace.
#   source tools/env.sh

if [ -n "${ROS_DISTRO:-}" ]; then
  echo "env.sh: ROS 2 $ROS_DISTRO is sourced; source install/setup.bash instead" >&2
  return 1
fi
_vla_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)"
if [ ! -f "$_vla_root/.venv/vla_env.sh" ] || [ ! -f "$_vla_root/install/local_setup.bash" ]; then
  echo "env.sh: not set up yet; run: make -C $_vla_root setup" >&2
  unset _vla_root _vla_there
  return 1
fi
# A login shell inherits VLA_ROOT and sets PATH anew: both have to be there.
case "${VLA_ROOT:-}:$PATH:" in
  "$_vla_root:$_vla_root/.venv/bin:"* | "$_vla_root:"*":$_vla_root/.venv/bin:"*) _vla_there=1;;
  *) _vla_there=0;;
esac
if [ "$_vla_there" = 0 ]; then
  export VLA_ROOT="$_vla_root"
  export VIRTUAL_ENV="$VLA_ROOT/.venv"
  export PATH="$VIRTUAL_ENV/bin:$PATH"
  export AMENT_PREFIX_PATH="$VIRTUAL_ENV"
  export CMAKE_PREFIX_PATH="$VIRTUAL_ENV"
  export COLCON_DEFAULTS_FILE="$VLA_ROOT/colcon_defaults.yaml"
  export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
  # Keeps large images from being lost between processes of one computer.
  if [ -z "${FASTDDS_BUILTIN_TRANSPORTS:-}" ]; then
    export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$VLA_ROOT/vla_bringup/config/fastdds.xml}"
  fi
  # Threads of PyTorch that spin while they wait starve everything else on a machine with few cores.
  export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
  unset PYTHONHOME PYTHONPATH
  . "$VIRTUAL_ENV/vla_env.sh"
  _vla_nounset=0; case $- in *u*) _vla_nounset=1; set +u;; esac
  . "$VLA_ROOT/install/local_setup.bash"
  [ "$_vla_nounset" = 1 ] && set -u
  unset _vla_nounset
fi
unset _vla_root _vla_there
